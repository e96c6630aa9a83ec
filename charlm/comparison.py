"""Comparing runs: `charlm.compare`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from charlm.errors import CharlmError, UsageError
from charlm.progress import ProgressCallback, ignore_progress
from charlm.run import Run
from charlm.runs.directory import RunDirectory
from charlm.scoring.comparison import ComparedRun, Comparison, Difference
from charlm.scoring.intervals import Estimate, ItemValues, estimate, paired_difference
from charlm.tasks.comparison import differences, scored
from charlm.tasks.item_values import item_values
from charlm.tasks.registry import find_run, task_of
from charlm.tasks.summary import columns_of, figures_of, minutes_of, speed_of, what_differs

# By so much of itself a score may be another one when it is computed again.
ROUNDING = 1e-3


def compare(
    runs: Sequence[Run | str | Path],
    *,
    runs_dir: str | Path | None = None,
    intervals: bool = True,
    device: str = "cpu",
    backend: str = "auto",
    report: ProgressCallback = ignore_progress,
) -> Comparison:
    """Put runs side by side: their held-out scores with intervals, and the differences to the best.

    For intervals, what was held out is scored once more, and what each item cost is kept with the
    run. Two runs are paired on the same items, and the series of differences is resampled: see
    `charlm.scoring.intervals`.

    Args:
        runs: two or more: names, paths, or what `charlm.load` returns.
        runs_dir: where runs are kept; by default $CHARLM_RUNS_DIR, else `runs`.
        intervals: whether to score anything.
        report: called with the items done and the total, for each run that is scored.

    Raises:
        UsageError: there is one run only.
        CharlmError: there is no such run.
    """
    found = [run if isinstance(run, Run) else Run(find_run(run, runs_dir)) for run in runs]
    if len(found) < 2:
        raise UsageError("One run alone cannot be compared.", "Name two or more.")
    folders = [run.directory for run in found]
    differ = what_differs(folders)
    compared = list[tuple[ComparedRun, RunDirectory, ItemValues | None]]()
    for run, differs in zip(found, differ, strict=True):
        told, items = estimated(run, intervals, device, backend, report)
        compared.append((described(run.directory, told, differs), run.directory, items))
    # Of different tasks, those of the first one first.
    tasks = list(dict.fromkeys(run.record.task for run in folders))
    compared.sort(key=lambda each: (tasks.index(each[1].record.task), badness(each[0])))
    paired = list(paired_with_best(compared)) if intervals else []
    return Comparison(
        tuple(each for each, _, _ in compared), tuple(paired), tuple(differences(folders))
    )


def badness(run: ComparedRun) -> float:
    """What runs are sorted by, the best first; those without a score come last."""
    if math.isnan(run.value):
        return math.inf
    return -run.value if run.figure.more_is_better else run.value


def described(run: RunDirectory, told: Estimate | None, differs: Mapping[str, Any]) -> ComparedRun:
    """A run with its score."""
    task = task_of(run)
    return ComparedRun(
        run.name,
        told,
        task.unit(run),
        task.compared_figure,
        figures_of(run),
        differs,
        columns_of(run),
        task.item,
        run.record.parameters,
        speed_of(run),
        minutes_of(run),
    )


def estimated(
    run: Run,
    intervals: bool = True,
    device: str = "cpu",
    backend: str = "auto",
    report: ProgressCallback = ignore_progress,
) -> tuple[Estimate | None, ItemValues | None]:
    """A run's held-out score with its interval, and what it is the mean of.

    Args:
        intervals: whether to score anything; otherwise there is only the score that is known.

    Returns:
        None in place of what there is not; the estimate says why it has no interval.
    """
    found, task = scored(run.directory), task_of(run.directory)
    if found is None:
        return None, None
    known = Estimate(float(found.score.to_json()[task.compared_figure.key]))
    if not intervals:
        return known, None
    if not found.final:
        return replace(known, note="No interval: it is not finished."), None
    try:
        make = partial(run.model, device, backend)
        items = item_values(run.directory, found.split, make, report)
    except CharlmError as error:
        return replace(known, note=f"No interval: {error.message}"), None
    if items is None:
        what = f"No interval: the task '{task.name}' tells no scores of single {task.item}s."
        return replace(known, note=what), None
    again = estimate(items, task.figure_of_means)
    if not abs(again.value - known.value) <= ROUNDING * abs(known.value):
        note = f"Scored again it comes to {again.value:.4f}. {again.note}".strip()
        again = replace(again, note=note)
    return replace(again, value=known.value), items


def paired_with_best(
    compared: Sequence[tuple[ComparedRun, RunDirectory, ItemValues | None]],
) -> Iterator[Difference]:
    """The difference of each run to the first one, on the same items."""
    (best, best_run, best_items), *others = compared
    for each, run, items in others:
        reasons = tuple(differences([best_run, run]))
        difference = None
        if not reasons and items is not None and best_items is not None:
            if items.identity == best_items.identity:
                figure = task_of(run).figure_of_means
                difference = paired_difference(items, best_items, figure)
            else:
                reasons = (
                    f"'{each.name}' and '{best.name}' were scored on different {each.item}s.",
                )
        yield Difference(each.name, best.name, each.figure, difference, reasons)
