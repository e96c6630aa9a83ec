"""Asking another process, which may be ended by what it imports, and may take only so long."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from charlm.doctor.guard import Unknown

# Seconds to wait for what torch tells, which on a slow disk takes long to load; and for a speed.
PATIENCE, MEASURING = 60.0, 12.0
PACKAGE = Path(__file__).resolve().parents[2]


def ask_torch(measure: bool = False, patience: float = PATIENCE) -> dict[str, Any]:
    """The facts of `torch_probe`, by section; an Unknown for what the process did not come to say.

    Args:
        measure: measure a speed as well.
        patience: seconds to wait.
    """
    sections = ("torch", "compiled", *(["speed"] if measure else []))
    lines, problem = run(["--measure"] if measure else [], patience)
    found: dict[str, Any] = dict.fromkeys(sections, Unknown(problem))
    for said in map(object_in, lines):
        found |= {name: told(said[name]) for name in sections if name in said}
    return found


def object_in(line: str) -> dict[str, Any]:
    """The JSON object in a line; an empty one if there is none, since libraries may write too."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def told(value: Any) -> Any:
    """A fact as it was before it became JSON."""
    if isinstance(value, dict):
        if value.keys() == {"unknown"}:
            return Unknown(str(value["unknown"]))
        return {name: told(each) for name, each in value.items()}
    return value


def run(arguments: list[str], patience: float) -> tuple[list[str], str]:
    """The lines that the probe writes, and what went wrong."""
    path = os.pathsep.join([str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable or "python", "-m", "charlm.doctor.torch_probe", *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path},
        )
    except (OSError, ValueError) as error:
        return [], f"no process could be started ({error})"
    with process:
        try:
            lines, late = lines_in_time(process, patience)
        except BaseException:
            process.kill()
            raise
    if late:
        return lines, f"there was no answer in {late:g} seconds"
    return lines, ending(process.returncode, lines)


def lines_in_time(process: "subprocess.Popen[bytes]", patience: float) -> tuple[list[str], float]:
    """What a process writes until it ends, or is ended for taking too long.

    Returns:
        The lines, and how many seconds were waited in vain for the next one; 0 if it ended itself.
    """
    lines, waited, late = list[str](), patience, list[float]()

    def give_up() -> None:
        late.append(waited)
        process.kill()

    assert process.stdout is not None
    while True:
        timer = threading.Timer(waited, give_up)
        timer.start()
        try:
            line = process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            return lines, late[0] if late else 0.0
        lines.append(line.decode(errors="replace"))
        if object_in(lines[-1]):
            waited = min(patience, MEASURING)


def ending(code: int, lines: list[str]) -> str:
    """How a process ended, in words."""
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}
        return f"the process was ended by {names.get(-code, f'signal {-code}')}"
    said = [line.strip() for line in lines if line.strip() and not object_in(line)]
    return said[-1] if said else f"the process ended with {code}"
