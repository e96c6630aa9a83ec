"""The program as a process of its own."""

import subprocess
import sys
import time
from pathlib import Path

CHARLM = (sys.executable, "-m", "charlm")
SMALL = ("--hidden-size", "16", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*CHARLM, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def wait_for(path: Path, seconds: float = 300.0) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} never came"
        time.sleep(0.02)
