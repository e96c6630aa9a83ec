"""The scores of several runs, and reasons why they may not be comparable."""

from collections.abc import Iterable, Iterator, Sequence

from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Scored
from charlm.tasks.registry import task_of


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
    rows = [row for row in run.metrics() if row.get(task.loss_name) is not None]
    if not rows:
        return None
    best = min(rows, key=lambda row: row[task.loss_name])
    return Scored(task.score_type.from_json(best), "val", best.get(items), final=False)


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
