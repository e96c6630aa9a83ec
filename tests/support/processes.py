"""The program as a process of its own."""

import subprocess
import sys
import time
from pathlib import Path

CHARLM = (sys.executable, "-m", "charlm")
SMALL = ("--hidden-size", "16", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CHARLM, *arguments], cwd=cwd, capture_output=True, text=True)


def wait_for(path: Path, seconds: float = 300.0) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} never came"
        time.sleep(0.02)
