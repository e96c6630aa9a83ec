"""A run as a row: what it is, its score, its settings, and those in which several differ."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Figure
from charlm.tasks.comparison import scored
from charlm.tasks.registry import task_of

# What follows from the data, or says nothing of how training went.
NEVER_TOLD = ("vocabulary_size", "document_id", "input_size", "output_size", "eval_every")


def figures_of(run: RunDirectory) -> tuple[Figure, ...]:
    """The figures, such as the perplexity, in which a run's scores are reported."""
    return task_of(run).score_type.figures


def summary(run: RunDirectory) -> dict[str, Any]:
    """A run as one row: what it is, and its final held-out score or else the best so far."""
    record, task = run.record, task_of(run)
    reported = scored(run)
    figures = figures_of(run)
    values = reported.score.to_json() if reported else {}
    return {
        "name": run.name,
        "task": record.task,
        "cell": record.model["cell"],
        "backend": record.backend,
        "num_layers": record.model["num_layers"],
        "hidden_size": record.model["hidden_size"],
        "parameters": record.parameters,
        "corpus": record.corpus["name"],
        **{each.key: values.get(each.key) for each in figures},
        "split": reported.split if reported else None,
        f"{task.item}s_scored": reported.items if reported else None,
        "final": reported.final if reported else None,
        f"train_{task.train_figure}": record.result.get(f"train_{task.train_figure}"),
        "status": run.status,
        "created": record.created,
        "path": str(run.path.resolve()),
    }


def settings_of(run: RunDirectory) -> dict[str, Any]:
    """All settings of a run that are not None, by name."""
    record = run.record
    values = {**record.data, **record.model, **record.train}
    return {name: value for name, value in values.items() if value is not None}


def columns_of(run: RunDirectory) -> dict[str, Any]:
    """All that runs may differ in: what `summary` tells, the text, the effort and the settings."""
    record = run.record
    return {
        **{name: value for name, value in summary(run).items() if name != "path"},
        "sha256": record.corpus.get("sha256"),
        "normalization": record.corpus.get("normalization"),
        "seconds": record.result.get("seconds"),
        "steps": record.result.get("steps"),
        **settings_of(run),
    }


def what_differs(runs: Sequence[RunDirectory]) -> list[dict[str, Any]]:
    """Of each run, the settings in which not all of them are alike, and text, device and backend.

    First come those that tell the most runs apart, of settings that do so alike the model's.
    """
    each = [
        {
            **run.record.model,
            **run.record.train,
            **run.record.data,
            "text": run.record.corpus["name"],
            "device": run.record.device,
            "backend": run.record.backend,
        }
        for run in runs
    ]
    names = dict.fromkeys(name for settings in each for name in settings)
    for name in NEVER_TOLD:
        names.pop(name, None)
    words = {name: [str(settings.get(name)) for settings in each] for name in names}
    left = {name: values for name, values in words.items() if len(set(values)) > 1}
    order, known = list[str](), [""] * len(runs)
    while left:
        name = max(left, key=lambda one: len({*zip(known, left[one], strict=True)}))
        known = [f"{a} {b}" for a, b in zip(known, left.pop(name), strict=True)]
        order.append(name)
    return [{n: settings[n] for n in order if settings.get(n) is not None} for settings in each]


def speed_of(run: RunDirectory) -> float | None:
    """Items a second in training: the median of its evaluations; None if there is none yet."""
    name = f"{task_of(run).item}s_per_second"
    rates = [row[name] for row in run.metrics() if isinstance(row.get(name), float | int)]
    return median(rates) if rates else None


def minutes_of(run: RunDirectory) -> float | None:
    """How long a run was trained; None if nobody knows."""
    seconds = run.record.result.get("seconds")
    if seconds is None:
        seconds = next((row.get("seconds") for row in reversed(run.metrics())), None)
    return seconds / 60 if isinstance(seconds, float | int) else None
