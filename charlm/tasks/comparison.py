"""The scores of several runs, and reasons why they may not be comparable."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score, Scored
from charlm.tasks.registry import task_of
from charlm.tasks.task import Task


def scored(run: RunDirectory) -> Scored | None:
    """The held-out score to report for a run: its final one, else the best so far, else None."""
    task, result = task_of(run), run.record.result
    items = f"{task.item}s"
    if stored := result.get("score"):
        return Scored(
            task.score_type.from_json(stored),
            result.get("split", "val"),
            stored.get(items),
            final=True,
        )
    found = [(score, row) for row in run.metrics() if (score := score_of(task, row)) is not None]
    if not found:
        return None
    best, row = min(found, key=lambda each: float(each[1][task.loss_name]))
    count = row.get(items)
    return Scored(best, "val", count if isinstance(count, int) else None, final=False)


def score_of(task: Task, row: Mapping[str, Any]) -> Score | None:
    """The score in a row of metrics; None if there is none, or only part of it."""
    if not isinstance(row.get(task.loss_name), float | int):
        return None
    try:
        score = task.score_type.from_json(row)
        score.to_json()  # which computes with it
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    return score


def differences(runs: Sequence[RunDirectory]) -> Iterator[str]:
    """Reasons, as sentences, why the scores of some of these runs are not comparable."""
    pairs = []
    for run in runs:
        if found := scored(run):
            pairs.append((run, found))
        else:
            yield f"{run.name} has no held-out score."
    tasks = list(dict.fromkeys(task_of(run).name for run, _ in pairs))
    if len(tasks) > 1:
        yield f"The runs are of different tasks ({listing(tasks)}): their scores do not compare."
        return
    if pairs:
        yield from task_of(pairs[0][0]).differences(pairs)
    splits = list(dict.fromkeys(found.split for _, found in pairs))
    if len(splits) > 1:
        yield f"The scores are of different splits ({listing(splits)}): they do not compare."
    if len({found.final for _, found in pairs}) > 1:
        early = [run.name for run, found in pairs if not found.final]
        yield (
            f"Not finished: {listing(early)}. What is shown is the best score so far, of the "
            "beginning of the split; of the others it is the last."
        )


def listing(words: Iterable[str]) -> str:
    """Join words with commas."""
    return ", ".join(words)
