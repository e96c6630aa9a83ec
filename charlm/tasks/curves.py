"""The training curves of runs, read from their metrics, whatever their task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from math import isfinite, nan
from typing import Any

import numpy as np

from charlm.errors import RunError, UsageError, look_up
from charlm.inspection.curves import BINS, NOTHING, RunCurves, Series, TrainingCurves, smooth
from charlm.runs.directory import RunDirectory
from charlm.tasks.comparison import listing, scored
from charlm.tasks.registry import task_of
from charlm.tasks.summary import what_differs
from charlm.tasks.task import Task
from charlm.text.splits import count

Rows = Sequence[Mapping[str, Any]]
X_AXES = {name: name for name in ("steps", "items", "minutes")}


def training_curves(
    runs: Sequence[RunDirectory],
    x: str = "steps",
    y: str | None = None,
    window: int | None = None,
    bins: int = BINS,
) -> TrainingCurves:
    """What was measured while runs of one task were trained.

    Args:
        runs: at least one. Those of which nothing was measured yet are left out, with a note.
        x: "steps", "items" or "minutes" of training.
        y: one of `measures`; None is the loss.
        window: items over which the training loss is smoothed; None: not at all.
        bins: longer curves are thinned, as `charlm.inspection.curves.thin` describes.

    Raises:
        UsageError: the runs are of different tasks, or x, y or the window are not to be had.
        RunError: nothing was measured yet.
    """
    tasks = {task.name: task for task in map(task_of, runs)}
    if len(tasks) > 1:
        raise UsageError(
            f"Runs of different tasks ({listing(tasks)}) do not fit on one picture.",
            "Name runs of one task.",
        )
    (task,) = tasks.values()
    look_up(X_AXES, x, "x axis")
    known = measures(task)
    key = task.loss_name if y is None else named(known, y, task)
    if window is not None and not trains_by(task, key):
        raise UsageError(
            f"Held-out numbers are never smoothed, and training does not measure {y}.",
            "Leave out --smooth.",
        )
    differ = [", ".join(in_words(each)) for each in what_differs(runs)]
    drawn, notes = [], []
    for run, differs in zip(runs, differ, strict=True):
        try:
            drawn.append(replace(curves_of(run, task, x, key, window, bins), differs=differs))
        except RunError as error:
            if len(runs) == 1:
                raise
            notes.append(f"Left out: {error.message}")
    if not drawn:
        raise RunError("Of none of these runs is there anything to draw.", " ".join(notes))
    notes += comparable(task, runs) if len(runs) > 1 else ()
    return TrainingCurves(
        described(runs[0]) if len(runs) == 1 else count(len(drawn), "run"),
        {"steps": "training steps", "items": f"{task.item}s trained on", "minutes": "minutes"}[x],
        label_of(task, key),
        tuple(drawn),
        "" if window is None else f"mean over {window:,} {task.item}s",
        tuple(notes),
    )


def named(known: Mapping[str, str], y: str, task: Task) -> str:
    """The key of a measure, which may also be named by its key.

    Raises:
        UsageError: there is no such measure.
    """
    return look_up(known, y.partition("_per_")[0], f"measure of the task '{task.name}'")


def measures(task: Task) -> dict[str, str]:
    """What curves can show: the names for it, and the keys in a run's metrics; the loss first."""
    keys = dict.fromkeys([task.loss_name, *(each.key for each in task.score_type.figures)])
    return {key.partition("_per_")[0]: key for key in keys}


def label_of(task: Task, key: str) -> str:
    """The label of an axis, with the unit."""
    titles = {each.key: each.title for each in task.score_type.figures}
    loss = f"{task.loss_title} per {task.item}"
    return loss if key == task.loss_name else titles[key]


def trains_by(task: Task, key: str) -> bool:
    """Whether training measures this too."""
    return key == task.loss_name or key in task.figures_of_loss(0.0)


def curves_of(
    run: RunDirectory,
    task: Task,
    x: str,
    key: str,
    window: int | None,
    bins: int,
) -> RunCurves:
    """The curves of one run.

    Raises:
        RunError: nothing was measured yet, or the items were not counted.
    """
    rows = rows_in_order(run.metrics())
    if not rows:
        raise RunError(
            f"The run '{run.name}' has not been evaluated yet, so there is nothing to draw.",
            "Wait for its first evaluation.",
        )
    wanted = x == "items" or window is not None
    items = items_of(run, task, rows) if wanted else []
    places = {
        "steps": [row["step"] for row in rows],
        "items": list(accumulate(items)),
        "minutes": [number(row, "seconds") / 60 for row in rows],
    }[x]

    def series(values: Iterable[float]) -> Series:
        points = [each for each in zip(places, values, strict=True) if isfinite(each[0])]
        return Series.of(*zip(*points, strict=True)).thinned(bins) if points else NOTHING

    losses = np.array([number(row, f"train_{task.loss_name}") for row in rows])
    training = smoothed = NOTHING
    if trains_by(task, key):
        training = series(told(task, key, losses))
        if window is not None:
            smoothed = series(told(task, key, smooth(losses, np.array(items, float), window)))
    held_out = series(number(row, key) for row in rows)
    if training.is_empty and held_out.is_empty:
        raise RunError(
            f"The run '{run.name}' has measured no {label_of(task, key)}.",
            "" if key == task.loss_name else "Leave out --y to see its loss.",
        )
    rates, norms = (
        series(number(row, each) for row in rows) for each in ("learning_rate", "gradient_norm")
    )
    return RunCurves(run.name, "", training, smoothed, held_out, rates, norms)


def rows_in_order(rows: Rows) -> list[Mapping[str, Any]]:
    """The rows without those that training went back behind, so that steps ascend."""
    kept: list[Mapping[str, Any]] = []
    for row in rows:
        while kept and kept[-1]["step"] >= row["step"]:
            kept.pop()
        kept.append(row)
    return kept


def number(row: Mapping[str, Any], key: str) -> float:
    """A number of a row; NaN where there is none, which stands as null if it was not finite."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else nan


def items_of(run: RunDirectory, task: Task, rows: Rows) -> list[float]:
    """How many items each training loss is the mean over.

    Raises:
        RunError: an older charlm did not count them.
    """
    items = [number(row, f"trained_{task.item}s") for row in rows]
    if not all(isfinite(each) and each > 0 for each in items):
        raise RunError(
            f"The run '{run.name}' was trained by an older charlm, which did not count the "
            f"{task.item}s that it trained on.",
            "Give --x steps or --x minutes, and no --smooth.",
        )
    return items


def told(task: Task, key: str, losses: Iterable[float]) -> list[float]:
    """Training losses as the figure of this key."""
    if key == task.loss_name:
        return list(losses)
    return [task.figures_of_loss(each)[key] if isfinite(each) else nan for each in losses]


def in_words(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings, short: "hidden_size 128", "no tie_weights", a cell by itself."""
    for name, value in settings.items():
        if isinstance(value, bool):
            yield name if value else f"no {name}"
        else:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            yield shown if name == "cell" else f"{name} {shown}"


def described(run: RunDirectory) -> str:
    """Name, net and size of a run in one line, and its status unless it is done."""
    record = run.record
    layers = f"{record.model['num_layers']} × " if record.model["num_layers"] > 1 else ""
    status = "" if run.status in ("done", "patience") else f" ({run.status})"
    net = f"{record.model['cell']} {layers}{record.model['hidden_size']}"
    return f"{run.name}: {net}, {record.parameters:,} parameters{status}"


def comparable(task: Task, runs: Sequence[RunDirectory]) -> Iterable[str]:
    """Reasons, as sentences, why the held-out curves of several runs do not compare."""
    pairs = [(run, found) for run in runs if (found := scored(run))]
    return task.differences(pairs)
