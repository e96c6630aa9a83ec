"""What the scores of several runs are of, and why two of them may not compare."""

from collections.abc import Iterable, Iterator, Sequence

from charlm.runs.directory import RunDirectory
from charlm.tasks.registry import task_of
from charlm.tasks.task import Scored


def scored(run: RunDirectory) -> Scored | None:
    """The score to report of a run; None where nothing was held out or scored yet."""
    task, result = task_of(run), run.record.result
    items = f"{task.item}s"
    if stored := result.get("score"):
        return Scored(
            task.score_type.from_json(stored),
            result.get("split", "val"),
            stored.get(items),
            final=True,
        )
    rows = [row for row in run.metrics() if row.get(task.loss_name) is not None]
    if not rows:
        return None
    best = min(rows, key=lambda row: row[task.loss_name])
    return Scored(task.score_type.from_json(best), "val", best.get(items), final=False)


def differences(runs: Sequence[RunDirectory]) -> Iterator[str]:
    """In sentences, why the scores of some of these runs do not compare."""
    each = []
    for run in runs:
        if found := scored(run):
            each.append((run, found))
        else:
            yield f"{run.name} has no held-out score."
    tasks = list(dict.fromkeys(task_of(run).name for run, _ in each))
    if len(tasks) > 1:
        yield f"The runs are of different tasks ({listing(tasks)}): their scores do not compare."
        return
    if each:
        yield from task_of(each[0][0]).differences(each)
    splits = list(dict.fromkeys(found.split for _, found in each))
    if len(splits) > 1:
        yield f"The scores are of different splits ({listing(splits)}): they do not compare."
    if len({found.final for _, found in each}) > 1:
        early = [run.name for run, found in each if not found.final]
        yield (
            f"Not finished: {listing(early)}. What is shown is the best score so far, of the "
            "beginning of the split; of the others it is the last."
        )


def listing(words: Iterable[str]) -> str:
    """Words with commas."""
    return ", ".join(words)
