"""What tests of several floors share."""

import os
from pathlib import Path

import pytest

# The models of the tests are tiny: threads would only wait for one another. Read when torch starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# d2l.ai's file, kept beside the checkout where it is kept at all.
TIME_MACHINE = Path(__file__).resolve().parents[2] / "shared" / "data" / "timemachine.txt"


@pytest.fixture(scope="session")
def time_machine() -> Path:
    """The Time Machine as d2l.ai has it."""
    if not TIME_MACHINE.is_file():
        pytest.skip("d2l's timemachine.txt is not beside the checkout")
    return TIME_MACHINE
