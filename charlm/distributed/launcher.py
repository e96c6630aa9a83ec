"""Starting a training in several processes of this machine, by torch's own elastic launcher."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from charlm.distributed.world import LostProcessError, World
from charlm.machine.threads import VARIABLES, cores, named_by_user

# The folder in which a process leaves the exit code of an end that no restart would change.
ENDS_VARIABLE = "CHARLM_ENDS"
# How gloo is told to stay on this machine, by `sys.platform`; on others it finds its own way.
LOOPBACKS = {"linux": "lo", "darwin": "lo0"}
# Signals that are passed on to all processes. SIGUSR1 is what job queues may send.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1")
INTERRUPTED = 130


def launch(arguments: Sequence[str], processes: int, max_restarts: int = 0) -> int:
    """Run `charlm ARGUMENTS` in several processes that train together, and wait for their end.

    Each process gets its share of the cores, unless the number of threads is named. If one ends
    otherwise than by itself, all are ended, and started again as often as that is allowed.

    Returns:
        The exit code: that of the first process that failed, or 0.

    Raises:
        LostProcessError: a process was killed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    with TemporaryDirectory(prefix="charlm-") as folder, silence():
        ends, logs = Path(folder, "ends"), Path(folder, "logs")
        ends.mkdir()
        config = launch_config(processes, max_restarts, logs)
        with environment(variables(processes, ends)):
            try:
                elastic_launch(config, sys.executable)(*this_charlm(), *arguments)
            except SignalException:
                return INTERRUPTED
            except ChildFailedError as error:
                codes = {rank: each.exitcode for rank, each in error.failures.items()}
                for rank, code in codes.items():
                    if code < 0:
                        name = signal.Signals(-code).name
                        said = f"Process {rank + 1} of {processes} was killed by {name}."
                        raise LostProcessError(said) from None
                return max(codes.values())
        return max((int(each.read_text("utf-8")) for each in ends.iterdir()), default=0)


def this_charlm() -> tuple[str, ...]:
    """How Python is told to run this charlm, and none that happens to lie in the current folder."""
    own = Path(__file__).parents[2] == Path.cwd()
    return ("-m", "charlm") if own else ("-P", "-m", "charlm")


def launch_config(processes: int, max_restarts: int, logs: Path) -> Any:
    """The launcher's configuration, for processes of this machine alone."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    options: dict[str, Any] = {
        "min_nodes": 1,
        "max_nodes": 1,
        "nproc_per_node": processes,
        "run_id": uuid.uuid4().hex,
        "rdzv_backend": "c10d",
        "rdzv_endpoint": "localhost:0",
        "local_addr": "localhost",
        "max_restarts": max_restarts,
        "logs_specs": DefaultLogsSpecs(log_dir=str(logs)),
    }
    if any(each.name == "signals_to_handle" for each in fields(LaunchConfig)):
        # What is ignored here, as SIGHUP with nohup, stays so; older versions know no better.
        there = [name for name in SIGNALS if hasattr(signal, name)]
        heard = [n for n in there if signal.getsignal(getattr(signal, n)) is not signal.SIG_IGN]
        options["signals_to_handle"] = ",".join(heard)
    return LaunchConfig(**options)


def variables(processes: int, ends: Path) -> dict[str, str]:
    """Environment variables for the processes, unless the user has set them."""
    wanted = dict[str, str]()
    if not named_by_user() and processes > 1:
        wanted |= dict.fromkeys(VARIABLES, str(max(1, cores() // processes)))
    if sys.platform in LOOPBACKS:
        wanted["GLOO_SOCKET_IFNAME"] = LOOPBACKS[sys.platform]
    if sys.platform == "win32":
        wanted["USE_LIBUV"] = "0"  # Torch is built without it there.
    return {name: value for name, value in wanted.items() if name not in os.environ} | {
        ENDS_VARIABLE: str(ends)
    }


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """Have some more environment variables within the block."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def silence() -> Iterator[None]:
    """Keep the launcher from logging what it does: charlm says what there is to say."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def as_many_as(world: World) -> str:
    """The option by which as many processes go on with a run; "" if others than charlm say that."""
    return f" --processes {world.size}" if ENDS_VARIABLE in os.environ and world.size > 1 else ""


def end_with(code: int) -> int:
    """The exit code for a process that has said why it ends, such that nothing starts it again.

    `launch` restarts all processes if one fails, which helps against a crash, but not if an option
    is wrong. So the code is left where `launch` finds it, and the process ends with 0. Torchrun
    knows no such thing.
    """
    folder = os.environ.get(ENDS_VARIABLE)
    if folder is None or not code:
        return code
    Path(folder, os.environ.get("RANK", "0")).write_text(str(code), "utf-8")
    return 0
