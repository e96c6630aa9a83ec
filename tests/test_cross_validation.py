"""Cross-validation: every row is scored once, by the run that has not seen it."""

import io
import json
import math
import sys
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file
from tables import write_table

import charlm
from charlm.errors import CorpusError, SettingError, UsageError
from charlm.tasks.regression.dataset import reread_dataset

NUMBERS: dict[str, Any] = {
    "task": "regression",
    "hidden_size": 4,
    "batch_size": 8,
    "epochs": 2,
    "learning_rate": 0.02,
}
LABELS: dict[str, Any] = {**NUMBERS, "task": "classification", "embedding_size": 3}
WORDS = tuple(f"--{name.replace('_', '-')}={value}" for name, value in NUMBERS.items())


def rows(number: int = 23, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, number))
    return [
        {"a": float(x), "b": float(z), "y": float(3 * x - z)} for x, z in zip(a, b, strict=True)
    ]


def texts() -> list[dict[str, str]]:
    """12 texts of one label, 9 of another."""
    labels = ["bad"] * 12 + ["good"] * 9
    return [{"text": f"{label[0] * 3} {i}", "label": label} for i, label in enumerate(labels)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(here: Path) -> Path:
    return write_table(here / "rows.csv", rows())


class Stop:
    """Asks to stop from so many questions on."""

    def __init__(self, after: float = math.inf) -> None:
        self.after, self.asked = after, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.after


def weights_of(names: list[str]) -> dict[str, bytes]:
    return {
        str(file): file.read_bytes()
        for name in names
        for file in sorted(Path("runs", name).rglob("*.safetensors"))
    }


def same_weights(one: str, other: str) -> None:
    for file in ("last/model", "last/training", "best/model", "baselines"):
        mine, theirs = (load_file(f"runs/{run}/{file}.safetensors") for run in (one, other))
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=f"{file} {name}")


def test_every_row_is_in_one_test_part_and_the_score_is_that_of_all_rows(table: Path) -> None:
    found = charlm.cross_validate(table, folds=4, run="cv", seed=5, **NUMBERS)
    assert found.finished
    assert [run.name for run in found.runs] == [f"cv-fold-{fold}" for fold in range(1, 5)]
    y = np.array([row["y"] for row in rows()])
    pieces = np.array_split(np.random.default_rng(5).permutation(23), 4)
    predicted, averages = np.full(23, math.nan), np.full(23, math.nan)
    for run, piece in zip(found.runs, pieces, strict=True):
        test = np.sort(piece)
        data = reread_dataset(run.directory, None)  # type: ignore[arg-type]
        np.testing.assert_array_equal(data.part("test").values, y[test])
        assert np.isnan(predicted[test]).all()
        predicted[test] = run.predict([rows()[i] for i in test])
        averages[test] = data.part("train").values.mean()
        assert sum(data.size(part) for part in ("train", "val", "test")) == 23
    for score, said in ((found.score, predicted), (found.baselines["mean"], averages)):
        told = score.to_json()
        assert told["rows"] == 23
        assert told["rmse"] == pytest.approx(math.sqrt(np.mean((said - y) ** 2)), rel=1e-5)
        assert told["mae"] == pytest.approx(np.mean(np.abs(said - y)), rel=1e-5)
        r2 = 1 - np.sum((said - y) ** 2) / np.sum((y - y.mean()) ** 2)
        assert told["r2"] == pytest.approx(r2, rel=1e-4)


def test_the_folds_of_labels_have_their_shares(here: Path) -> None:
    table = write_table(here / "texts.csv", texts())
    found = charlm.cross_validate(table, folds=3, run="cv", **LABELS)
    right, nats = 0, 0.0
    for run in found.runs:
        evaluation = run.evaluate(split="test")
        assert np.bincount(evaluation.targets).tolist() == [4, 3]
        right += int((evaluation.outputs.argmax(1) == evaluation.targets).sum())
        z = evaluation.outputs.astype(np.float64)
        logs = z - np.log(np.exp(z).sum(1, keepdims=True))
        nats -= logs[np.arange(7), evaluation.targets].sum()
    assert (found.score.texts, found.score.right) == (21, right)  # type: ignore[attr-defined]
    assert found.score.loss == pytest.approx(nats / 21, rel=1e-6)


def test_finished_folds_are_used_again(table: Path) -> None:
    first = charlm.cross_validate(table, folds=3, run="cv", **NUMBERS)
    names = [run.name for run in first.runs]
    before = weights_of(names)
    times = {name: Path("runs", name, "run.json").stat().st_mtime_ns for name in names}
    again = charlm.cross_validate(table, folds=3, run="cv", **NUMBERS)
    assert again.to_json() == first.to_json()
    assert weights_of(names) == before
    assert times == {name: Path("runs", name, "run.json").stat().st_mtime_ns for name in names}


@pytest.mark.parametrize("kind", ["file", "rows"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_interrupted_and_gone_on_with_it_is_the_same(table: Path, kind: str, share: float) -> None:
    source: Any = table if kind == "file" else rows()
    stop = Stop()
    whole = charlm.cross_validate(source, folds=3, run="whole", should_stop=stop, **NUMBERS)
    stop = Stop(int(share * stop.asked))
    parted = charlm.cross_validate(source, folds=3, run="parted", should_stop=stop, **NUMBERS)
    assert not parted.finished
    assert len(parted.runs) == 1 + int(share * 3)
    done = [run.name for run in parted.runs if "score" in run.result]
    before = weights_of(done)
    parted = charlm.cross_validate(source, folds=3, run="parted", **NUMBERS)
    assert parted.finished
    assert weights_of(done) == before
    assert parted.score == whole.score
    for fold in (1, 2, 3):
        same_weights(f"parted-fold-{fold}", f"whole-fold-{fold}")


@pytest.mark.parametrize("trained", [2, 3])
def test_other_settings_or_rows_under_the_same_name(here: Path, table: Path, trained: int) -> None:
    """Whether all folds are there or not, nothing is trained before that is said."""
    charlm.cross_validate(table, folds=3, run="cv", **NUMBERS)
    if trained == 2:
        command("runs", "delete", "cv-fold-3", "--yes")
    other = write_table(here / "other.csv", rows(seed=1))
    names = sorted(path.name for path in Path("runs").iterdir())
    asked: list[tuple[Any, dict[str, Any]]] = [
        (table, {"folds": 3, "hidden_size": 5}),
        (table, {"folds": 3, "epochs": 3}),
        (table, {"folds": 3, "batch_size": 4}),
        (table, {"folds": 3, "seed": 1}),
        (table, {"folds": 3, "weight_decay": 0.2}),
        (table, {"folds": 3, "preset": "house-prices", "val_fraction": 0.1}),
        (table, {"folds": 4}),
        (table, {"folds": 2}),
        (other, {"folds": 3}),
        (rows(22), {"folds": 3}),
    ]
    for source, settings in asked:
        with pytest.raises(UsageError, match="has other settings or rows"):
            charlm.cross_validate(source, run="cv", **{**NUMBERS, **settings})
    assert sorted(path.name for path in Path("runs").iterdir()) == names
    # What the data and the machine decide on is no other setting.
    again = charlm.cross_validate(str(table), folds=3, run="cv", **NUMBERS)
    assert again.finished


def test_batches_larger_than_the_data_are_the_same_setting(table: Path) -> None:
    large = {**NUMBERS, "batch_size": 1000}
    first = charlm.cross_validate(table, folds=2, run="cv", **large)
    assert charlm.cross_validate(table, folds=2, run="cv", **large).score == first.score


def test_a_run_of_another_task_has_the_name(table: Path) -> None:
    charlm.train(table, run="cv-fold-1", **NUMBERS)
    with pytest.raises(UsageError, match="has other settings or rows"):
        charlm.cross_validate(table, folds=2, run="cv", **NUMBERS)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"folds": 2, "test": "rows.csv"}, "make the test part"),
        ({"folds": 2, "test_fraction": 0.2}, "make the test part"),
        ({"folds": 2, "split_column": "a"}, "make the test part"),
        ({"folds": 2, "window": 3}, "what comes after"),
        ({"folds": 2, "fold": 1}, "is one of several"),
        ({"folds": 1}, "at least 2"),
        ({"folds": 0}, "at least 2"),
        ({"folds": -3}, "at least 2"),
        ({"folds": 24}, "23 rows are too few for 24 folds"),
        ({"folds": 3, "group_column": "which"}, "2 groups are too few for 3 folds"),
        ({"folds": 2, "run": "a/b"}, "cannot be a run's name"),
    ],
)
def test_what_cannot_be_is_a_sentence(here: Path, settings: dict[str, Any], problem: str) -> None:
    grouped = [{"which": i % 2, **row} for i, row in enumerate(rows())]
    write_table(here / "rows.csv", grouped)
    with pytest.raises((CorpusError, SettingError, UsageError), match=problem):
        charlm.cross_validate("rows.csv", **{**NUMBERS, **settings})
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--fold", "2"), "give --folds"),
        (("--folds", "3", "--fold", "4"), "1 to 3"),
        (("--folds", "2", "--test-fraction", "0.2"), "make the test part"),
        (("--folds", "2", "--window", "3"), "what comes after"),
        (("--folds", "0"), "at least 2"),
        (("--folds", "24"), "23 rows are too few for 24 folds"),
        (("--folds", "2", "--task", "language-model"), "is a setting of another task"),
        (("--folds", "2", "--preset", "quick", "--task", "language-model"), "of another task"),
    ],
)
def test_the_command_refuses_what_cannot_be(
    table: Path, words: tuple[str, ...], problem: str
) -> None:
    result = command("train", str(table), "--task", "regression", *words)
    assert result.code in (1, 2)
    assert problem in result.err
    assert result.err.count("\n") == 1


def test_one_fold_alone_is_trained_by_train(table: Path) -> None:
    whole = charlm.cross_validate(table, folds=3, run="cv", **NUMBERS)
    with pytest.raises(SettingError, match="are trained by"):
        charlm.train(table, folds=3, **NUMBERS)
    charlm.train(table, run="second", folds=3, fold=2, **NUMBERS)
    same_weights("second", "cv-fold-2")
    # It is that fold of a cross-validation of its name.
    charlm.train(table, run="b-fold-2", folds=3, fold=2, **NUMBERS)
    assert charlm.cross_validate(table, folds=3, run="b", **NUMBERS).score == whole.score


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_groups_stay_together(here: Path, task: str) -> None:
    plain: list[dict[str, Any]] = rows(24) if task == "regression" else [*texts(), *texts()]
    grouped = [{"who": f"g{i % 7}", **row} for i, row in enumerate(plain)]
    table = write_table(here / "grouped.csv", grouped)
    settings = {**(NUMBERS if task == "regression" else LABELS), "val_fraction": 0.2}
    found = charlm.cross_validate(table, folds=3, run="cv", group_column="who", **settings)
    sizes = [run.directory.record.splits for run in found.runs]
    assert sum(each["test"][1] - each["test"][0] for each in sizes) == len(grouped)
    key = "y" if task == "regression" else "text"
    held_out = list[set[str]]()
    for fold in (1, 2, 3):
        # From rows in Python a run keeps what it read, part by part.
        name = f"kept-{fold}"
        charlm.train(grouped, run=name, folds=3, fold=fold, group_column="who", **settings)
        lines = Path("runs", name, "data.jsonl").read_text().splitlines()
        kept = [json.loads(line) for line in lines]
        assert len(kept) == len(grouped)
        part_of = dict[str, set[str]]()
        for row, known in zip(grouped, kept, strict=True):
            assert row[key] == known[key]
            part_of.setdefault(row["who"], set()).add(known["part of the run"])
        assert all(len(parts) == 1 for parts in part_of.values())
        held_out.append({who for who, parts in part_of.items() if parts == {"test"}})
        same_weights(name, f"cv-fold-{fold}")
    assert sorted(who for each in held_out for who in each) == sorted({r["who"] for r in grouped})


def test_the_command_shows_each_fold_and_all_rows(table: Path) -> None:
    result = command("train", str(table), *WORDS, "--folds", "3", "--run", "cv")
    assert result.code == 0, result.err
    folds, whole = result.out.split("\n\n")
    lines = [line.split("\t") for line in folds.splitlines()]
    assert lines[0] == ["run", "RMSE", "MAE", "R²"]
    stored = [charlm.load(f"cv-fold-{fold}").result for fold in (1, 2, 3)]
    rmse = [each["score"]["rmse"] for each in stored]
    for (name, shown, *_), number, fold in zip(lines[1:4], rmse, (1, 2, 3), strict=True):
        assert (name, shown) == (f"cv-fold-{fold}", f"{number:.3f}")
    assert lines[4][:2] == ["mean of the folds", f"{np.mean(rmse):.3f}"]
    assert lines[5][:2] == ["standard deviation", f"{stdev(rmse):.3f}"]
    title, columns, *models = whole.splitlines()
    assert title == "All rows, each predicted by the run that has not seen it"
    assert columns == "model\tRMSE\tMAE\tR²"
    shown = {name: number for name, number, *_ in (line.split("\t") for line in models)}
    assert shown.keys() == {"charlm", "mean", "least squares"}
    for name, key in (("charlm", None), ("mean", "mean")):
        each = [run["score"] if key is None else run["baselines"][key] for run in stored]
        squared = sum(score["squared"] for score in each)
        assert shown[name] == f"{math.sqrt(squared / 23):.3f}"


def test_json_and_runs_list_and_eval(table: Path) -> None:
    result = command("train", str(table), *WORDS, "--folds", "2", "--run", "cv", "--json")
    assert result.code == 0, result.err
    told = result.json
    stored = {name: charlm.load(name).result for name in ("cv-fold-1", "cv-fold-2")}
    assert told["folds"] == [{"run": k, "score": v["score"]} for k, v in stored.items()]
    assert told["score"]["rows"] == told["baselines"]["mean"]["rows"] == 23
    # All folds are there: the same command only tells them again.
    assert (
        command("train", str(table), *WORDS, "--folds", "2", "--run", "cv", "--json").json == told
    )
    listed = command("runs", "list", "--json").json
    assert {row["name"]: row["rmse"] for row in listed} == {
        name: pytest.approx(each["score"]["rmse"]) for name, each in stored.items()
    }
    scored = command("eval", "--run", "cv-fold-1", "--json").json
    assert scored["split"] == "test"
    assert scored["rmse"] == pytest.approx(stored["cv-fold-1"]["score"]["rmse"], rel=1e-5)


def test_as_many_folds_as_rows(here: Path) -> None:
    """R² of one row is no number, and neither is its spread."""
    table = write_table(here / "few.csv", rows(5))
    arguments = ("train", str(table), *WORDS, "--folds", "5", "--val-fraction", "0", "--run", "cv")
    result = command(*arguments)
    assert result.code == 0, result.err
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in result.out.splitlines()}
    rmse = [charlm.load(f"cv-fold-{fold}").result["score"]["rmse"] for fold in range(1, 6)]
    assert lines["standard deviation"][0] == f"{stdev(rmse):.3f}"
    assert lines["mean of the folds"][2] == lines["standard deviation"][2] == "-"
    assert lines["charlm"][2] != "-"
    told = command(*arguments, "--json").json
    assert told["folds"][0]["score"]["r2"] is None
    assert told["score"]["rows"] == 5


def test_names_come_from_the_data(here: Path) -> None:
    write_table(here / "my rows.csv", rows(10))
    for number in (1, 2):
        result = command("train", "my rows.csv", *WORDS, "--folds", "2")
        assert result.code == 0, result.err
        assert f"my-rows-{number}-fold-1\t" in result.out
    found = charlm.cross_validate(rows(10), folds=2, **NUMBERS)
    assert found.runs[0].name == "table-1-fold-1"


def test_standard_input_is_read_once(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = charlm.cross_validate(table, folds=2, run="file", **NUMBERS)
    arguments = ("train", "-", *WORDS, "--folds", "2", "--run", "stdin")
    result = command(*arguments, "--json", stdin=table.read_text())
    assert result.code == 0, result.err
    assert result.json["score"] == whole.to_json()["score"]
    for fold in (1, 2):
        same_weights(f"stdin-fold-{fold}", f"file-fold-{fold}")
    again = command(*arguments, "--json", stdin=table.read_text())
    assert again.json == result.json
    for source in ("-", ["-"]):
        stream = io.TextIOWrapper(io.BytesIO(table.read_bytes()), "utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        found = charlm.cross_validate(source, folds=2, **NUMBERS)
        assert found.score == whole.score


def test_an_interrupted_command_says_how_to_go_on(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charlm.cli import stopping

    arguments = ("train", str(table), *WORDS, "--folds", "3", "--run", "cv")
    stop = Stop()
    charlm.cross_validate(table, folds=3, run="whole", should_stop=stop, **NUMBERS)
    stop = Stop(stop.asked // 2)
    with monkeypatch.context() as patch:
        patch.setattr(stopping.Stop, "asked", lambda self: stop())
        result = command(*arguments)
    assert result.code == 130
    assert "Interrupted after 1 of 3 folds; what is trained is saved." in result.err
    assert "Give the same command with --run cv to go on with them." in result.err
    assert result.out == ""
    result = command(*arguments, "--json")
    assert result.code == 0, result.err
    assert len(result.json["folds"]) == 3
