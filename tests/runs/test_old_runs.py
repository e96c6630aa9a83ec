"""Runs that earlier versions made load, score as they did, and go on to the same end."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tolerances import of_window, rounding

import charlm

OLD = Path(__file__).parent / "old_runs"
EXPECTED: dict[str, dict[str, Any]] = json.loads((OLD / "expected.json").read_text())
# Another backend, or another order of the same sums, may compute them now.
NEAR = rounding(torch.float32, of_window(100, 10))


@pytest.mark.parametrize("name", EXPECTED)
def test_an_old_run_scores_as_it_did(name: str) -> None:
    run = charlm.load(name, runs_dir=OLD)
    nats = run.evaluate(split="val").score.nats
    assert nats == pytest.approx(EXPECTED[name]["nats"], rel=NEAR)
    assert run.generate("it", length=30, seed=1) == EXPECTED[name]["text"]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_old_run_goes_on_to_the_same_end(name: str, tmp_path: Path) -> None:
    shutil.copytree(OLD / name, tmp_path / name)
    resumed = charlm.resume(name, runs_dir=tmp_path)
    assert resumed.directory.record.status == "done"
    after = resumed.evaluate(split="val").score.nats
    # Adam divides by the root of what it has seen: roundings grow from step to step.
    assert after == pytest.approx(EXPECTED[name]["after_resume"], rel=1e-3)


def test_there_is_one_of_each_cell() -> None:
    from charlm.rnn.cells import CELLS

    assert {charlm.load(name, runs_dir=OLD).config.cell for name in EXPECTED} == set(CELLS)
