"""Runs are compared by what their held-out items cost, which is computed once and kept."""

import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from tables import write_table

import charlm
from charlm.errors import UsageError
from charlm.files.structures import loads
from charlm.run import Run
from charlm.scoring.intervals import ItemValues, estimate, paired_difference
from charlm.sections import Facts, Grid
from charlm.tasks.item_values import KEPT, item_values

SMALL: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 16, "max_steps": 12}
SMALL |= {"val_fraction": 0.2}
NOVELLA = Path(__file__).resolve().parents[1] / "data" / "time-traveller.txt"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs on one text: a, b (another seed), c (another cell), lower, less."""
    folder = tmp_path_factory.mktemp("compared")
    text = folder / "book.txt"
    text.write_text(NOVELLA.read_text()[:6000])
    more: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"seed": 1, "max_steps": 40},
        "c": {"cell": "gru"},
        "lower": {"normalize": "lower"},
        "less": {"val_fraction": 0.1},
        "rare": {"min_count": 30},
    }
    for name, settings in more.items():
        charlm.train(text, run=name, runs_dir=folder / "runs", **{**SMALL, **settings})
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which nothing has been scored yet."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    for kept in (tmp_path / "runs").glob(f"*/{KEPT}*"):
        kept.unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def values_of(run: Run, split: str = "val") -> Any:
    found = item_values(run.directory, split, run.model)
    assert found is not None
    return found


def test_the_items_of_a_text_add_up_to_its_score_and_are_kept(here: Path) -> None:
    run = charlm.load("a")
    assert not Path("runs/a", f"{KEPT}.json").exists()
    found = values_of(run)
    assert found.series
    assert found.values.dtype == np.float64
    np.testing.assert_array_equal(found.values, run.evaluate(split="val").surprise)
    # The recorded score was computed by another number of threads, perhaps.
    assert found.values.sum() == pytest.approx(run.result["score"]["nats"], rel=1e-5)

    def no_model() -> Any:
        raise AssertionError("it is kept")

    again = item_values(run.directory, "val", no_model)
    assert again is not None
    np.testing.assert_array_equal(again.values, found.values)
    assert (again.identity, again.item, again.series) == (found.identity, "character", True)


def test_other_weights_or_another_split_are_scored_anew(here: Path) -> None:
    first = values_of(charlm.load("a"))
    train = values_of(charlm.load("a"), "train")
    assert len(train.values) == 4799
    np.testing.assert_array_equal(values_of(charlm.load("a")).values, first.values)
    shutil.copy("runs/b/best/model.safetensors", "runs/a/best/model.safetensors")
    np.testing.assert_array_equal(
        values_of(charlm.load("a")).values, values_of(charlm.load("b")).values
    )


def test_what_is_kept_and_damaged_is_made_anew(here: Path) -> None:
    first = values_of(charlm.load("a"))
    file = Path("runs/a", f"{KEPT}.json")
    file.write_bytes(file.read_bytes()[:50])
    np.testing.assert_array_equal(values_of(charlm.load("a")).values, first.values)
    again = loads(ItemValues, file.read_text().partition("\n")[2])
    np.testing.assert_array_equal(again.values, first.values)


def test_a_run_that_cannot_be_written_is_scored_all_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("charlm.runs.kept_files.write", refuse)
    assert len(values_of(charlm.load("a")).values) == 1199
    assert not list(Path("runs/a").glob(f"{KEPT}*"))


def test_runs_are_sorted_with_intervals_and_paired_with_the_best(here: Path) -> None:
    found = charlm.compare(["a", "b", "c"])
    bits = [charlm.load(run.name).result["score"]["bits_per_character"] for run in found.runs]
    assert bits == sorted(bits)
    assert found.runs[0].name == "b"
    assert not found.reasons
    assert found.unit == "bits per character"
    values = {run.name: values_of(charlm.load(run.name)) for run in found.runs}
    for run, recorded in zip(found.runs, bits, strict=True):
        assert run.estimate is not None
        assert run.estimate.value == recorded
        assert run.estimate.interval is not None
        assert run.estimate.interval.low < recorded < run.estimate.interval.high
        again = estimate(values[run.name], lambda mean: mean / math.log(2))
        assert run.estimate.interval == again.interval
    assert [each.run for each in found.differences] == [run.name for run in found.runs[1:]]
    for each in found.differences:
        pair = paired_difference(values[each.run], values["b"], lambda mean: mean / math.log(2))
        assert each.estimate == pair
    assert found.runs[0].differs["seed"] == 1
    assert charlm.compare([charlm.load("a"), "b"]).to_json()["runs"][0]["name"] == "b"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ("lower", "was normalized differently"),
        ("less", "different characters of the text's split val"),
        ("rare", "vocabularies differ"),
    ],
)
def test_what_does_not_compare_is_not_paired(here: Path, other: str, why: str) -> None:
    found = charlm.compare(["a", other])
    (difference,) = found.differences
    assert difference.estimate is None
    assert any(why in reason for reason in difference.reasons)
    assert found.paired is None
    assert all(run.estimate and run.estimate.interval for run in found.runs)
    assert why in command("runs", "compare", "a", other).err


def test_without_its_text_a_run_has_its_score_alone(here: Path) -> None:
    about = json.loads(Path("runs/a/run.json").read_text())
    about["corpus"]["source"] = [str(here / "gone.txt")]
    Path("runs/a/run.json").write_text(json.dumps(about))
    found = command("runs", "compare", "a", "b")
    assert found.code == 0
    assert "a: No interval: The text that 'a' was trained on cannot be read" in found.err
    row = next(line for line in found.out.splitlines() if line.startswith("a\t"))
    assert row.split("\t")[3] == "-"
    assert re.fullmatch(r"\d\.\d{4}", row.split("\t")[2])


def test_without_intervals_nothing_is_scored(here: Path) -> None:
    found = command("runs", "compare", "a", "b", "--no-intervals", "--json").json
    assert found["differences"] == []
    assert [run["estimate"]["interval"] for run in found["runs"]] == [None, None]
    assert not list(Path("runs").glob(f"*/{KEPT}*"))


def test_json_and_markdown_and_a_table_say_the_same(here: Path) -> None:
    told = command("runs", "compare", "a", "b", "c", "--json").json
    names = [run["name"] for run in told["runs"]]
    table = command("runs", "compare", "a", "b", "c").out
    scores, paired, settings = (
        [line.split("\t") for line in part.splitlines()] for part in table.strip().split("\n\n")
    )
    assert [row[0] for row in scores[1:]] == names
    for run, row in zip(told["runs"], scores[1:], strict=True):
        interval = run["estimate"]["interval"]
        assert row[2:4] == [
            f"{run['estimate']['value']:.4f}",
            f"{interval['low']:.4f} to {interval['high']:.4f}",
        ]
        assert interval["level"] == 0.95
        assert row[4] == str(run["parameters"])
    assert [row[0] for row in paired[1:]] == names[1:]
    for each, row in zip(told["differences"], paired[1:], strict=True):
        assert row[1] == f"{each['difference']['value']:+.4f}"
        assert row[3] == ("worse" if each["is_worse"] else "cannot be told apart")
    assert settings[0] == ["name", *names]
    assert {"cell", "seed", "max_steps", "perplexity"} <= {row[0] for row in settings}
    pasted = command("runs", "compare", "a", "b", "c", "--markdown").out
    lines = [line for line in pasted.splitlines() if line]
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [cells[0], *cells[2 : 2 + len(names)]] == scores
    assert [cells[len(names) + 2], *cells[len(names) + 4 :]] == paired


def test_sections_are_all_of_it(here: Path) -> None:
    found = charlm.compare(["a", "b"])
    sections = list(found.sections())
    assert sections[0] == found.scores
    assert found.paired in sections
    assert all(isinstance(each, Facts | Grid | str) for each in sections)
    assert any("--repeat" in each for each in found.notes)
    assert all(name in found._repr_html_() for name in ("a", "b", "--repeat"))
    json.dumps(found.to_json())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("a",), "One run alone"),
        (("a", "b", "--json", "--markdown"), "do not go together"),
        (("a", "b", "--plot", "x.gif"), "does not say what kind of picture"),
        (("a", "b", "--no-intervals", "--plot", "no/x.png"), "Cannot write to 'no/x.png'"),
    ],
)
def test_what_cannot_be_is_a_sentence(here: Path, words: tuple[str, ...], why: str) -> None:
    result = command("runs", "compare", *words)
    assert result.code in (1, 2)
    assert why in result.err


def test_without_any_score_there_is_nothing_to_draw(here: Path) -> None:
    text = NOVELLA.read_text()[:2000]
    for name in ("x", "y"):
        found = charlm.Corpus.from_text(text)
        charlm.train(found, run=name, **{**SMALL, "val_fraction": 0.0})
    result = command("runs", "compare", "x", "y", "--plot", "x.png")
    assert result.code == 2
    assert "x\t-\t-\t-\t" in result.out
    assert "No run has a held-out score to draw" in result.err


def test_the_same_run_twice(here: Path) -> None:
    found = charlm.compare(["a", "a"])
    assert found.differences[0].is_worse is None
    assert any("Both do alike on every character" in note for note in found.notes)


def test_labels_are_independent_and_compared_by_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [
        {"text": " ".join(random.choice(["fine", "poor", "dull", "film"], 4)), "label": label}
        for label in ("good", "bad") * 150
    ]
    write_table(tmp_path / "texts.csv", rows)
    small = {"hidden_size": 4, "embedding_size": 3, "epochs": 2, "task": "classification"}
    for name, more in (("a", {}), ("b", {"cell": "lstm"}), ("c", {"seed": 1})):
        settings = {**small, "test_fraction": 0.3, **more}
        charlm.train("texts.csv", run=name, **settings)  # type: ignore[arg-type]
    found = charlm.compare(["a", "b"])
    accuracies = [charlm.load(run.name).result["score"]["accuracy"] for run in found.runs]
    assert accuracies == sorted(accuracies, reverse=True)
    for run in found.runs:
        values = values_of(charlm.load(run.name), "test")
        assert not values.series
        assert set(values.values) <= {0.0, 1.0}
        assert values.values.mean() == charlm.load(run.name).result["score"]["accuracy"]
        assert run.unit == "accuracy"
    assert found.differences[0].estimate is not None
    # Another seed holds out other rows.
    other = charlm.compare(["a", "c"])
    assert other.differences[0].estimate is None
    assert "were scored on different texts" in other.differences[0].reasons[0]


def test_numbers_are_compared_by_rmse_and_a_series_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=1200)) * 0.1
    rows = [
        {"who": i // 4, "x": float(v), "y": float(v + random.normal())} for i, v in enumerate(walk)
    ]
    write_table(tmp_path / "rows.csv", rows)
    small: dict[str, Any] = {"task": "regression", "hidden_size": 4, "epochs": 1}
    small |= {"test_fraction": 0.3}
    charlm.train("rows.csv", run="a", input_columns="x", **small)
    charlm.train("rows.csv", run="b", input_columns="x", cell="rnn", **small)
    charlm.train("rows.csv", run="c", input_columns="x", group_column="who", **small)
    charlm.train("rows.csv", run="s", window=5, input_columns="x,y", **small)
    found = charlm.compare(["a", "b"])
    assert found.unit == "RMSE, in units of 'y'"
    rmse = [charlm.load(run.name).result["score"]["rmse"] for run in found.runs]
    assert rmse == sorted(rmse)
    for run in found.runs:
        assert run.estimate is not None
        assert run.estimate.interval is not None
        assert run.estimate.interval.low < run.value < run.estimate.interval.high
    values = values_of(charlm.load("a"), "test")
    assert values.values.mean() ** 0.5 == pytest.approx(charlm.load("a").result["score"]["rmse"])
    assert not values.series
    assert values.groups is None
    grouped = values_of(charlm.load("c"), "test")
    assert grouped.groups is not None
    assert set(np.bincount(grouped.groups)) <= {0, 4}
    assert values_of(charlm.load("s"), "test").series
    assert "scored on different rows" in charlm.compare(["a", "s"]).differences[0].reasons[0]


def test_of_different_tasks_each_has_its_own_figure(here: Path) -> None:
    rows = [{"x": i, "y": 2 * i} for i in range(60)]
    write_table(here / "rows.csv", rows)
    charlm.train("rows.csv", run="n", task="regression", hidden_size=4, epochs=1, test_fraction=0.2)
    result = command("runs", "compare", "n", "a")
    assert result.code == 0
    assert "different tasks" in result.err
    rows_shown = {line.split("\t")[0]: line.split("\t") for line in result.out.splitlines()}
    assert rows_shown["run"][2] == "score"
    assert rows_shown["n"][2].endswith("RMSE, in units of 'y'")
    assert rows_shown["a"][2].endswith("bits per character")


def test_too_little_held_out_text(here: Path) -> None:
    Path("tiny.txt").write_text("the time machine, and the man who made it. " * 30)
    for name in ("x", "y"):
        charlm.train("tiny.txt", run=name, **{**SMALL, "val_fraction": 0.1})
    said = command("runs", "compare", "x", "y").err
    assert "x: No interval: 128 characters, and it takes 200." in said


def test_one_run_alone_in_python(here: Path) -> None:
    with pytest.raises(UsageError, match="One run alone"):
        charlm.compare(["a"])
