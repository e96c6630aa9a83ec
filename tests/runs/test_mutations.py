"""Damaged files of every kind end in success or in a sentence (`tests/measure/mutations.py`)."""

import subprocess
import sys
from pathlib import Path

import mutations
import pytest

SCRIPT = Path(mutations.__file__)


def test_some_hundred_damaged_files(tmp_path: Path) -> None:
    found = mutations.measure(range(200), seed=1, folder=tmp_path)
    assert not found.bad
    assert sum(found.outcomes.values()) == 200
    # Neither everything is refused nor everything believed.
    outcomes = {outcome for _, outcome in found.outcomes}
    assert outcomes == {"ok", "refused"}


@pytest.mark.slow
def test_twenty_thousand_damaged_files_within_limits() -> None:
    """In a process of its own, whose memory is limited where the system can."""
    command = [sys.executable, str(SCRIPT), "--cases", "20000", "--memory", "3000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
