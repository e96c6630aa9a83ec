"""Curves are what the metrics of runs say, in the measure and along the axis asked for."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from made_runs import OLD, make_run, row
from parity import ParityTask

import charlm
from charlm.errors import CharlmError, RunError, UsageError
from charlm.tasks.curves import measures, training_curves
from charlm.tasks.registry import TASKS, open_run

ROWS = [row(10, 3.0, 2.5), row(20, 2.0, 2.0), row(40, 1.5, 1.8)]


def test_the_points_are_those_of_the_metrics(tmp_path: Path) -> None:
    (curves,) = training_curves([open_run(make_run(tmp_path, "mine", ROWS))]).runs
    assert curves.training.x.tolist() == [10, 20, 40]
    assert curves.training.y.tolist() == [3.0, 2.0, 1.5]
    assert curves.held_out.x.tolist() == [10, 20, 40]
    assert curves.held_out.y.tolist() == [2.5, 2.0, 1.8]
    assert curves.learning_rate.y.tolist() == [0.001] * 3
    assert curves.gradient_norm.y.tolist() == [0.5] * 3
    assert curves.smoothed.is_empty


def test_items_and_minutes(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "mine", ROWS))
    assert training_curves([run], "items").runs[0].training.x.tolist() == [100, 200, 300]
    assert training_curves([run], "minutes").runs[0].held_out.x.tolist() == [0.5, 1.0, 2.0]
    assert training_curves([run], "items").x_label == "characters trained on"


def test_training_losses_are_told_in_other_measures(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "mine", ROWS))
    bits = training_curves([run], y="bits")
    assert bits.runs[0].training.y == pytest.approx([v / math.log(2) for v in (3.0, 2.0, 1.5)])
    assert bits.runs[0].held_out.y.tolist() == [7.0, 7.0, 7.0]
    assert bits.y_label == "bits/char"
    perplexity = training_curves([run], y="perplexity").runs[0].training.y
    assert perplexity == pytest.approx(np.exp([3.0, 2.0, 1.5]))
    assert training_curves([run], y="bits_per_character").y_label == "bits/char"


def test_smoothing_averages_losses_and_then_tells_them(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "mine", ROWS))
    curves = training_curves([run], y="perplexity", window=300)
    (found,) = curves.runs
    assert curves.window == "mean over 300 characters"
    assert found.smoothed.y == pytest.approx([math.e**3, math.exp(6.5 / 3), math.e**1.5])
    assert found.training.y == pytest.approx(np.exp([3.0, 2.0, 1.5]))
    assert (
        found.held_out.to_json()
        == training_curves([run], y="perplexity").runs[0].held_out.to_json()
    )


def test_nothing_is_drawn_that_was_not_measured(tmp_path: Path) -> None:
    rows = [
        row(1, 3.0, 2.0),
        row(2, None, None),
        row(3, 1e999, 1.5),
        row(4, 1.0, 1.4, seconds=None),
    ]
    run = open_run(make_run(tmp_path, "mine", rows))
    (curves,) = training_curves([run]).runs
    assert curves.training.measured.tolist() == [True, False, False, True]
    assert curves.held_out.measured.tolist() == [True, False, True, True]


def test_training_that_went_back_is_drawn_once(tmp_path: Path) -> None:
    """As the session leaves its metrics, and as a file joined by hand would be."""
    rows = [
        row(1, 3.0, 2.0),
        row(2, 9.0, 9.0),
        row(3, 9.0, 9.0),
        row(2, 2.0, 1.9),
        row(4, 1.0, 1.8),
    ]
    run = open_run(make_run(tmp_path, "mine", rows))
    (curves,) = training_curves([run], "items").runs
    assert curves.training.x.tolist() == [100, 200, 300]
    assert curves.training.y.tolist() == [3.0, 2.0, 1.0]


def test_nothing_held_out(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "mine", [row(1, 3.0, None), row(2, 2.0, None)]))
    (curves,) = training_curves([run]).runs
    assert curves.held_out.is_empty
    assert curves.training.y.tolist() == [3.0, 2.0]


def test_several_runs_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    one = open_run(make_run(tmp_path, "one", ROWS, learning_rate=0.01))
    two = open_run(make_run(tmp_path, "two", ROWS, learning_rate=0.02, tie_weights=True))
    curves = training_curves([one, two])
    assert [run.label for run in curves.runs] == [
        "one: no tie_weights, learning_rate 0.01",
        "two: tie_weights, learning_rate 0.02",
    ]
    assert curves.notes == ()
    assert training_curves([one]).runs[0].label == "one"


def test_a_run_without_evaluations_is_said_or_left_out(tmp_path: Path) -> None:
    new, old = (open_run(make_run(tmp_path, *each)) for each in (("new", []), ("old", ROWS)))
    with pytest.raises(RunError, match="'new' has not been evaluated yet"):
        training_curves([new])
    curves = training_curves([new, old])
    assert [run.name for run in curves.runs] == ["old"]
    assert curves.title == "1 run"
    assert curves.notes[0].startswith("Left out: The run 'new' has not been evaluated")
    with pytest.raises(RunError, match="none of these runs"):
        training_curves([new, open_run(make_run(tmp_path, "newer", []))])


def test_no_finite_number_is_one_sentence(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, "mine", [row(1, None, None)]))
    with pytest.raises(RunError, match="has measured no nats per character"):
        training_curves([run])


def test_a_run_of_an_older_charlm_has_no_items() -> None:
    run = open_run(OLD)
    with pytest.raises(RunError, match=r"older charlm.*--x steps"):
        training_curves([run], "items")
    with pytest.raises(RunError, match="older charlm"):
        training_curves([run], window=100)
    assert training_curves([run]).runs[0].training.x.tolist() == [6]


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        ("epochs", None, "no x axis called 'epochs'. Known: steps, items, minutes"),
        ("steps", "accuracy", "called 'accuracy'. Known: nats, perplexity, bits"),
    ],
)
def test_what_there_is_not_is_refused(tmp_path: Path, x: str, y: str | None, match: str) -> None:
    run = open_run(make_run(tmp_path, "mine", ROWS))
    with pytest.raises(UsageError, match=match):
        training_curves([run], x, y)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_loss_comes_first_and_names_are_short(task: ParityTask) -> None:
    names = measures(task)
    assert next(iter(names.values())) == task.loss_name
    assert set(names.values()) == {task.loss_name, *(each.key for each in task.score_type.figures)}
    assert len(set(names)) == len(names)


def test_a_task_made_here_is_drawn_in_its_own_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TASKS, "parity", ParityTask())
    sizes = {"hidden_size": 4, "batch_size": 32, "max_steps": 4, "eval_every": 2}
    run = charlm.train(task="parity", run="bits", **sizes).directory
    rows = run.metrics()
    accuracy = training_curves([run], y="accuracy")
    assert accuracy.runs[0].held_out.y.tolist() == [row["accuracy"] for row in rows]
    assert accuracy.runs[0].training.is_empty
    loss = training_curves([run], "items")
    assert loss.runs[0].training.y.tolist() == [row["train_loss"] for row in rows]
    # Two steps of 32 sequences of 6 bits each.
    assert loss.runs[0].training.x.tolist() == [2 * 32 * 6, 4 * 32 * 6]
    with pytest.raises(UsageError, match="never smoothed"):
        training_curves([run], y="accuracy", window=10)
    text = open_run(make_run(tmp_path / "runs", "text", ROWS))
    with pytest.raises(UsageError, match=r"different tasks \(parity, language-model\)"):
        training_curves([run, text])


def test_resumed_training_counts_on(tmp_path: Path) -> None:
    """Items ascend by the same number as without the interruption."""
    (tmp_path / "book.txt").write_text("the time traveller smiled round at us. " * 40)
    sizes = {"batch_size": 2, "seq_length": 5, "hidden_size": 4, "eval_every": 2}
    whole = charlm.train(
        tmp_path / "book.txt", run="whole", runs_dir=tmp_path, max_steps=9, **sizes
    )
    charlm.train(tmp_path / "book.txt", run="parted", runs_dir=tmp_path, max_steps=3, **sizes)
    charlm.resume("parted", runs_dir=tmp_path, max_steps=9)
    parted = charlm.load("parted", runs_dir=tmp_path)
    assert [row["step"] for row in parted.metrics()] == [2, 3, 4, 6, 8, 9]
    items = training_curves([parted.directory], "items").runs[0].training.x
    assert items.tolist() == [20, 30, 40, 60, 80, 90]
    assert training_curves([whole.directory], "items").runs[0].training.x[-1] == 90


def test_every_error_is_one_of_charlms(tmp_path: Path) -> None:
    """Rows of other shapes than charlm writes: a picture or a sentence, no traceback."""
    odd = [{"step": 1, "train_nats_per_character": "x"}, {"step": 2, "seconds": []}]
    path = make_run(tmp_path, "mine", odd)
    with pytest.raises(CharlmError):
        training_curves([open_run(path)], "minutes")
    (path / "metrics.jsonl").write_text(json.dumps(row(1, 2.0, 1.0, seconds="x")) + "\n")
    with pytest.raises(CharlmError):
        training_curves([open_run(path)], "minutes")
