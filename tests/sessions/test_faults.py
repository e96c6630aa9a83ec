"""Kills, power losses and failing calls, at a small size; tests/measure has them at full size."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import failing_calls
import power_loss
import pytest

MEASURE = Path(__file__).resolve().parents[1] / "measure"

posix_only = pytest.mark.skipif(os.name == "nt", reason="what is recorded are POSIX's calls")


@posix_only
@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow), 50], ids=["each", "some"]
)
def test_a_run_survives_power_losses(every: int) -> None:
    outcome = power_loss.measure(every)
    assert outcome.failures == []
    assert outcome.distinct > 5


@posix_only
@pytest.mark.slow
def test_without_its_syncs_a_run_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above can fail."""
    with patch("charlm.files.disk.sync_folder", lambda path: None):
        assert power_loss.measure(20).failures


@posix_only
@pytest.mark.parametrize(
    "every", [pytest.param(15, marks=pytest.mark.slow), 90], ids=["many", "some"]
)
def test_calls_that_fail_are_one_sentence_and_cost_nothing(every: int) -> None:
    outcome = failing_calls.measure(every)
    assert outcome.failures == []
    assert outcome.recovered and outcome.refused


@posix_only
@pytest.mark.slow
@pytest.mark.parametrize("more", [("--kills", "25"), ("--kills", "4", "--fresh")], ids=str)
def test_a_run_survives_kills(more: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, MEASURE / "kills.py", *more], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
