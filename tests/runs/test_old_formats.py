"""One small run of each format that charlm ever wrote loads, scores as it did, and goes on.

`old_formats/expected.json` names for each the commit that made it, what was new in it, and its
score as that commit wrote it; of language models also the score in float64.

To add the next format: before a release, or with whatever changes what stands in a run, train a
run of hidden size 3 or 4 for a dozen steps on a text that it keeps itself (`Corpus.from_text`, or
rows from Python), copy its folder here, without `last/` where nothing in that is new, and add its
entry: `commit`, `what`, `result["score"]` from its run.json, and of a language model the nats that
the test of float64 computes. Nothing here is ever made anew: a
run that no longer loads is a run that some user has.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tolerances import of_window, rounding

import charlm
from charlm.scoring.exact import log_probabilities, surprise_of_ids
from charlm.tasks.language_modeling.evaluation_text import find_evaluation_text
from charlm.tasks.language_modeling.run import LanguageModelRun

OLD = Path(__file__).parent / "old_formats"
EXPECTED: dict[str, dict[str, Any]] = json.loads((OLD / "expected.json").read_text("utf-8"))
# Of a recurrent net of 4 units that reads 300 inputs at most: no state forgets less than all.
NEAR, EXACT = (rounding(each, of_window(300, 4 + 64)) for each in (torch.float32, torch.float64))


def test_each_run_is_expected_and_each_that_is_expected_is_there() -> None:
    assert {path.parent.name for path in OLD.glob("*/run.json")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_it_scores_as_it_did(name: str) -> None:
    """Every number of the score, as near as float32 is to itself in another order of sums."""
    run = charlm.load(name, runs_dir=OLD)
    now, then = run.evaluate().score.to_json(), EXPECTED[name]["score"]
    assert run.result["score"] == then
    assert now.keys() >= then.keys()
    for key, value in then.items():
        if key in ("scale", "squared_error"):
            continue  # of training; an evaluation is in the target's units
        if isinstance(value, int):
            assert now[key] == value
        else:
            assert now[key] == pytest.approx(value, rel=NEAR), key


LANGUAGE = [name for name in EXPECTED if "nats" in EXPECTED[name]["score"] and name != "classes"]


@pytest.mark.parametrize("name", LANGUAGE)
def test_it_scores_to_the_last_digit_in_float64(name: str) -> None:
    """The equations in float64 on the weights as they are: twelve digits, on any processor.

    What was written then, in float32, is that but for the roundings of float32.
    """
    run = charlm.load(name, runs_dir=OLD)
    assert isinstance(run.directory, LanguageModelRun)
    found = find_evaluation_text(run.directory, None, None, "replace", None)
    model: Any = run.model(backend="scratch").double()
    pieces = (each.double() for each in log_probabilities(model, found.ids))
    exact = float(surprise_of_ids(pieces, found.ids).sum())
    assert exact == pytest.approx(EXPECTED[name]["nats_in_float64"], rel=EXACT)
    assert EXPECTED[name]["score"]["nats"] == pytest.approx(exact, rel=NEAR)


RESUMABLE = [name for name in EXPECTED if (OLD / name / "last").exists()]


@pytest.mark.parametrize("name", RESUMABLE)
def test_it_goes_on(name: str, tmp_path: Path) -> None:
    """To the same end, where no default that was not recorded has changed since."""
    shutil.copytree(OLD / name, tmp_path / name)
    resumed = charlm.resume(name, runs_dir=tmp_path, max_steps=18)
    assert resumed.result["steps"] == 18
    after = resumed.result["score"]["nats"]
    if (then := EXPECTED[name].get("after_resume")) is not None:
        # Adam divides by the root of what it has seen: roundings grow from step to step.
        assert after == pytest.approx(then["nats"], rel=1e-3)
    else:
        assert math.isfinite(after)
    # What is written now is read again.
    again = charlm.load(name, runs_dir=tmp_path)
    assert again.evaluate().score.to_json()["nats"] == pytest.approx(after, rel=NEAR)


def test_a_classifier_says_what_it_said() -> None:
    run = charlm.load("classes", runs_dir=OLD)
    found = run.predict(["the cat sat", "good or bad"])
    for prediction, then in zip(found, EXPECTED["classes"]["predictions"], strict=True):
        assert prediction.label == then["label"]
        assert prediction.probabilities == pytest.approx(then["probabilities"], rel=NEAR)


def test_a_regression_says_what_it_said() -> None:
    rows = [json.loads(line) for line in (OLD / "regression/data.jsonl").read_text().splitlines()]
    found = charlm.load("regression", runs_dir=OLD).predict(rows[:2])
    assert found == pytest.approx(EXPECTED["regression"]["predictions"], rel=100 * NEAR)


def test_a_kept_state_is_gone_on_from() -> None:
    from cli_runner import charlm as command

    said = command(
        *("generate", "--run", "state", "--runs-dir", str(OLD), "--from-state", "opening"),
        *("--length", "20", "--seed", "1"),
    )
    assert said.out == EXPECTED["state"]["text_of_state"], said.err
