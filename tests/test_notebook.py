"""What a notebook shows of runs and scores, of every task and however far they are."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tables import write_table

import charlm
from charlm.sections import Facts, Grid
from charlm.tasks.overview import overview

SMALL: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "epochs": 1}
IMAGE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each task."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "book.txt").write_text("It was the best of times, it was the worst.\n" * 40)
    texts = [{"text": f"a {w} film {n}", "label": w} for n in range(20) for w in ("good", IMAGE)]
    write_table(folder / "texts.csv", texts)
    rows = [{"a": n % 7, "b": n % 3, "y": n % 7 - n % 3} for n in range(40)]
    write_table(folder / "rows.csv", rows)
    charlm.train(folder / "book.txt", run="language-model", runs_dir=folder, **SMALL)
    for task, file in (("classification", "texts"), ("regression", "rows")):
        charlm.train(folder / f"{file}.csv", task=task, run=task, runs_dir=folder, **SMALL)
    return folder


TASKS = ["language-model", "classification", "regression"]


def texts_of(shown: Any) -> set[str]:
    """The texts in the HTML of what a notebook shows."""
    found: set[str] = set()
    reader = HTMLParser()
    reader.handle_data = found.add  # type: ignore[method-assign]
    content = shown._repr_html_()
    assert "<img" not in content
    reader.feed(content)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_a_run(home: Path, task: str) -> None:
    run = charlm.load(task, runs_dir=home)
    about, scores, *_, settings = overview(run.directory)
    assert isinstance(about, Facts)
    facts = dict(about.pairs)
    model = "lstm 8" if task == "language-model" else "gru 8"
    assert (facts["run"], facts["task"], facts["model"]) == (task, task, model)
    assert (facts["status"], facts["parameters"]) == ("done", run.directory.record.parameters)
    assert isinstance(scores, Grid)
    assert {row[0] for row in scores.rows} == {*run.result["baselines"], task}
    assert isinstance(settings, Facts)
    assert "hidden_size=8" in str(settings.pairs)
    assert "vocabulary_size" not in str(settings.pairs)
    assert {task, model, *map(str, run.result["baselines"])} <= texts_of(run)
    assert repr(run).startswith("<charlm.Run")


@pytest.mark.parametrize("task", TASKS)
def test_an_evaluation(home: Path, task: str) -> None:
    run = charlm.load(task, runs_dir=home)
    result = run.evaluate()
    texts = texts_of(result)
    for each in result.score.figures:
        assert f"{result.score.to_json()[each.key]:,.4f}" in texts
    assert (IMAGE in texts) == (task == "classification")
    named = next(iter(result.sections("a name")))
    assert ("run", "a name") in named.pairs


def test_all_scores_of_an_evaluation(home: Path) -> None:
    result = charlm.load("language-model", runs_dir=home).evaluate(dynamic=True, calibrate=True)
    _, scores, *remarks = result.sections()
    assert isinstance(scores, Grid)
    assert [row[0] for row in scores.rows] == ["static", "dynamic", "calibrated"]
    assert [row[1] for row in scores.rows] == [
        each.nats_per_character for each in result.scores.values()
    ]
    assert [str(each).split(":")[0] for each in remarks][:2] == ["dynamic", "calibrated"]


def test_a_cross_validation(home: Path) -> None:
    options: dict[str, Any] = {"task": "regression", "runs_dir": home, "run": "cv", "folds": 2}
    first: list[int] = []
    begun = charlm.cross_validate(
        home / "rows.csv", should_stop=lambda: bool(first.append(1)), **options, **SMALL
    )
    assert {"cv-fold-1", "cv-fold-2", "mean of the folds"} <= texts_of(begun)
    unfinished = charlm.CrossValidation(begun.runs[:1], 2)
    assert "1 of 2 folds are trained." in texts_of(unfinished)
    assert "0 of 2 folds are trained." in texts_of(charlm.CrossValidation((), 2))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "The best held-out score so far"),
        ({"score": {}}, "The best held-out score so far"),
        ({"score": 3, "baselines": None, "split": "val"}, "The result of the run"),
        ({"score": {"nats": "x"}, "baselines": {}}, "The result of the run"),
        ({"steps": None}, "The best held-out score so far"),
    ],
)
def test_a_run_without_a_result_or_with_a_damaged_one(
    home: Path, task: str, result: dict[str, Any], said: str
) -> None:
    run = charlm.load(task, runs_dir=home)
    run.directory.record.result = result
    assert any(text.startswith(said) for text in texts_of(run))


def test_a_run_that_has_only_begun(home: Path) -> None:
    run = charlm.load("language-model", runs_dir=home)
    run.directory.record.result = {}
    run.directory.record.status = "running"
    metrics = run.path / "metrics.jsonl"
    kept = metrics.read_text()
    try:
        metrics.write_text("")
        assert {"stopped", "Nothing was scored on held-out data yet."} <= texts_of(run)
        metrics.unlink()
        assert any("metrics.jsonl" in text for text in texts_of(run))
    finally:
        metrics.write_text(kept)


def test_a_run_of_a_task_that_is_not_known(home: Path) -> None:
    run = charlm.load("regression", runs_dir=home)
    run.directory.record.task = "translation"
    assert any("which this charlm does not know" in text for text in texts_of(run))
