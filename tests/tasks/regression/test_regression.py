"""Numbers from rows: trained, gone on with, asked and scored."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file
from tables import write_table

import charlm
from charlm.errors import CorpusError, SettingError, UsageError
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.scores import RegressionScore, score_of

TINY: dict[str, Any] = {
    "task": "regression",
    "hidden_size": 12,
    "batch_size": 16,
    "epochs": 30,
    "learning_rate": 0.02,
}


def rows(number: int = 120, seed: int = 0) -> list[dict[str, Any]]:
    """y = 100 + 20 a - 3 b, with b of another size."""
    random = np.random.default_rng(seed)
    a, b = random.normal(0, 1, number), random.normal(50, 4, number)
    y = 100 + 20 * a - 3 * b
    return [{"a": float(x), "b": float(z), "y": float(w)} for x, z, w in zip(a, b, y, strict=True)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(here: Path) -> Path:
    return write_table(here / "rows.csv", rows())


@pytest.mark.parametrize("standardize", ["none", "inputs", "both"])
def test_predictions_are_in_the_targets_units(table: Path, standardize: str) -> None:
    run = charlm.train(table, run="one", standardize=standardize, **TINY)
    result = run.result
    evaluation = run.evaluate()
    stored = RegressionScore.from_json(result["score"])
    assert evaluation.score.rows == stored.rows == 12
    assert evaluation.score.squared == pytest.approx(stored.squared, rel=1e-5)
    asked = rows(5, seed=3)
    together = run.predict(asked)
    for row, number in zip(asked, together, strict=True):
        assert run.predict(row) == pytest.approx(number, rel=1e-4)
    if standardize == "both":
        assert result["score"]["rmse"] < result["baselines"]["mean"]["rmse"] / 3
        for row, number in zip(asked, together, strict=True):
            assert number == pytest.approx(row["y"], abs=25)


def test_interrupted_and_gone_on_with_it_is_the_same(table: Path) -> None:
    charlm.train(table, run="whole", **TINY)
    steps = iter(range(10_000))
    charlm.train(table, run="parted", should_stop=lambda: next(steps) >= 77, **TINY)
    charlm.resume("parted")
    for file in ("last/model", "last/training", "best/model"):
        mine, theirs = (load_file(f"runs/{run}/{file}.safetensors") for run in ("parted", "whole"))
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=name)


def test_rows_from_python_are_kept_and_gone_on_with() -> None:
    charlm.train(rows(), run="whole", **TINY)
    steps = iter(range(10_000))
    charlm.train(rows(), run="parted", should_stop=lambda: next(steps) >= 77, **TINY)
    assert len(Path("runs/parted/data.jsonl").read_text().splitlines()) == 120
    charlm.resume("parted")
    mine, theirs = (load_file(f"runs/{run}/last/model.safetensors") for run in ("parted", "whole"))
    for name, each in mine.items():
        np.testing.assert_array_equal(each, theirs[name], err_msg=name)


def test_held_out_rows_scale_nothing(here: Path) -> None:
    parts = ["train"] * 80 + ["val"] * 40
    one = [{**row, "which": part} for row, part in zip(rows(), parts, strict=True)]
    other = [
        {**row, "a": 1e6, "y": -1e6} if row["which"] == "val" else row for row in one
    ]  # fmt: skip
    settings = {**TINY, "epochs": 1, "target_column": "y", "split_column": "which"}
    for name, each in (("one", one), ("other", other)):
        charlm.train(write_table(here / f"{name}.csv", each), run=name, **settings)
    texts = [Path(f"runs/{name}/scaler.json").read_text() for name in ("one", "other")]
    assert texts[0] == texts[1]
    weights = [load_file(f"runs/{name}/last/model.safetensors") for name in ("one", "other")]
    for name, each in weights[0].items():
        np.testing.assert_array_equal(each, weights[1][name])
    scaler = Scaler.from_json(texts[0])
    a = np.array([row["a"] for row in one[:80]])
    assert scaler.means[0] == pytest.approx(a.mean())
    assert scaler.spreads[0] == pytest.approx(a.std())


def test_missing_values(here: Path) -> None:
    odd = rows(40)
    odd[2]["a"] = ""
    odd[8]["b"] = "NaN"
    write_table(here / "odd.csv", odd)
    with pytest.raises(CorpusError, match=r"lacks values in row 3, 9\."):
        charlm.train("odd.csv", **TINY)
    filled = charlm.train("odd.csv", run="filled", missing="mean", **{**TINY, "epochs": 2})
    assert sum(b - a for a, b in filled.directory.record.splits.values()) == 40
    mean = filled.directory.scaler.fill[0]  # type: ignore[attr-defined]
    lacking = filled.predict({"a": "", "b": 50})
    assert lacking == pytest.approx(filled.predict({"a": mean, "b": 50}), rel=1e-5)
    dropped = charlm.train("odd.csv", run="dropped", missing="drop", **{**TINY, "epochs": 2})
    assert sum(b - a for a, b in dropped.directory.record.splits.values()) == 38
    assert dropped.predict({"a": "", "b": 50}) is None
    odd[3]["y"] = ""
    with pytest.raises(CorpusError, match="no 'y' in row 4"):
        charlm.train(odd, missing="mean", **TINY)


def test_a_table_comes_out_with_a_number_added(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    new = [{"a": row["a"], "name": "x", "b": row["b"]} for row in rows(7, seed=4)]
    new[2]["b"] = ""
    write_table(Path("new.csv"), new)
    result = command("predict", "new.csv", "--run", "one")
    assert result.code == 0, result.err
    out = list(csv.DictReader(result.out.splitlines()))
    assert list(out[0]) == ["a", "name", "b", "predicted y"]
    for before, row in zip(new, out, strict=True):
        number = run.predict(before)
        assert row["predicted y"] == ("" if number is None else f"{number:.6g}")
    assert out[2]["predicted y"] == ""
    assert "1 row without what it takes" in result.err


def test_eval_counts_by_hand(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    test = rows(30, seed=5)
    write_table(Path("test.csv"), test)
    said = command("eval", "test.csv", "--run", "one", "--json").json
    errors = [run.predict(row) - row["y"] for row in test]
    assert said["rmse"] == pytest.approx(math.sqrt(np.mean(np.square(errors))), rel=1e-4)
    assert said["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-4)
    y = np.array([row["y"] for row in test])
    r2 = 1 - np.square(errors).sum() / ((y - y.mean()) ** 2).sum()
    assert said["r2"] == pytest.approx(r2, rel=1e-4)
    assert "RMSE" in command("eval", "test.csv", "--run", "one").out


def test_scores_add_up_and_a_constant_part_has_no_r2() -> None:
    random = np.random.default_rng(0)
    predicted, true = random.normal(size=40), random.normal(size=40)
    whole = score_of(predicted, true)
    parts = score_of(predicted[:11], true[:11]) + score_of(predicted[11:], true[11:])
    for name, value in whole.to_json().items():
        assert parts.to_json()[name] == pytest.approx(value)
    assert math.isnan(score_of(predicted, np.full(40, 3.0)).r2)


def test_least_squares_is_least_squares(table: Path) -> None:
    run = charlm.train(table, run="one", **{**TINY, "epochs": 1})
    # The rows follow a formula that is linear.
    assert run.result["baselines"]["least squares"]["rmse"] == pytest.approx(0, abs=1e-3)
    assert run.result["comparison"]["baseline"] == "least squares"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"target_column": "z"}, "no column 'z'"),
        ({"input_columns": "a,z"}, "no column 'z'"),
        ({"input_columns": "a,y"}, "predicted from itself"),
        ({"units": "words"}, "is of texts"),
        ({"seq_length": 4}, "is a setting of another task"),
        ({"preset": "labels"}, "is of the task 'classification'"),
    ],
)
def test_what_cannot_be_is_a_sentence(table: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises((CorpusError, UsageError, SettingError), match=problem):
        charlm.train(table, **{**TINY, **settings})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"a": "many"}, "has 'many' in the column 'a' of row 1"),
        ({"a": "inf"}, "which is no number"),
    ],
)
def test_words_among_numbers(change: dict[str, str], problem: str) -> None:
    odd = rows(20)
    odd[0].update(change)
    with pytest.raises(CorpusError, match=problem):
        charlm.train(odd, **TINY)


def test_constant_columns() -> None:
    for name, problem in (("a", "same value in every row"), ("y", "nothing to predict")):
        with pytest.raises(CorpusError, match=problem):
            charlm.train([{**row, name: 1.0} for row in rows(20)], **TINY)


def test_runs_are_listed_and_refused_in_their_own_terms(table: Path) -> None:
    run = charlm.train(table, run="one", **{**TINY, "epochs": 2})
    (row,) = command("runs", "list", "--json").json
    assert {"rmse", "mae", "r2", "rows_scored"} <= row.keys()
    assert command("generate", "--run", "one").code == 2
    assert "not from a text" in command("predict", "a text", "--run", "one").err
    with pytest.raises(CorpusError, match="no column 'b'"):
        run.predict({"a": 1})
    scaler = Path("runs/one/scaler.json")
    content = json.loads(scaler.read_text())
    for broken in ("", "[]", json.dumps({**content, "spreads": [0, 1]})):
        scaler.write_text(broken)
        result = command("eval", "--run", "one")
        assert result.code == 1
        assert "scaler.json" in result.err


def test_the_presets_need_nothing_else() -> None:
    result = command("train", "--preset", "house-prices", "--epochs", "5", "--json")
    assert result.code == 0, result.err
    assert "Nothing is held out: what is shown is no figure for other rows." in result.err
    result = command("train", "--task", "regression", "--epochs", "3", "--json")
    assert result.json["score"]["rows"] == 51
