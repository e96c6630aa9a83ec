"""What is logged of an event, as numbers by name; only finite ones.

Losses and scores have the names that `metrics.jsonl` and `run.json` have for them, in groups:
"train" and "held_out" at an evaluation, "progress" in between, "result" and "baselines" at the end.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charlm.sessions.session import Prepared
from charlm.tasks.task import Task
from charlm.training.events import Evaluated, Progressed

Values = dict[str, float]
LONGEST_NAME = 64  # of which identities are made, as libraries have limits


@dataclass(frozen=True)
class LoggedRun:
    """What a logger is told of a run when training begins.

    Args:
        path: the run's folder.
        identity: tells it from others of the same name, and stays the same when it is resumed.
        settings: by name, with what it is trained on; "none" where there is none.
        held_out: the names that its held-out scores will have.
        step: steps taken so far; what was logged beyond is about to be done again.
    """

    name: str
    path: Path
    identity: str
    settings: Mapping[str, str | int | float]
    held_out: Sequence[str]
    step: int


def evaluation_values(event: Evaluated, task: Task) -> Values:
    """Means since the evaluation before, and the held-out score, of each kind of weights too."""
    values = {
        **loss_values("train", event.loss, task),
        "train/learning_rate": event.learning_rate,
        "train/gradient_norm": event.gradient_norm,
        f"train/{task.item}s_per_second": event.items_per_second,
        "train/epoch": event.epoch,
    }
    if event.score is not None:
        values |= score_values("held_out", event.score.to_json(), task)
    if len(event.scores) > 1:
        for kind, each in event.scores.items():
            values[f"held_out/{kind}_{task.loss_name}"] = each.loss
    return finite(values)


def progress_values(event: Progressed, task: Task) -> Values:
    """Means over a fraction of a second, now and then between evaluations."""
    values = {
        **loss_values("progress", event.loss, task),
        "progress/learning_rate": event.learning_rate,
        "progress/gradient_norm": event.gradient_norm,
        f"progress/{task.item}s_per_second": event.items_per_second,
    }
    return finite(values)


def result_values(result: Mapping[str, Any], task: Task) -> Values:
    """The final score of the best weights beside those of the baselines; nothing if interrupted."""
    if "score" not in result:
        return {}
    values = score_values("result", result["score"], task)
    for name, score in result["baselines"].items():
        values |= score_values(f"baselines/{name}", score, task)
    return finite(values)


def loss_values(group: str, loss: float, task: Task) -> Values:
    """A training loss, and the figures that follow from it."""
    return score_values(group, {**task.figures_of_loss(loss), task.loss_name: loss}, task)


def score_values(group: str, score: Mapping[str, Any], task: Task) -> Values:
    """The loss and the figures of a score that is given as in `run.json`."""
    known = {key: score.get(key) for key in keys_of(task)}
    return {f"{group}/{key}": value for key, value in known.items() if value is not None}


def keys_of(task: Task) -> list[str]:
    """The loss and the figures of a task's scores, in JSON."""
    return list(dict.fromkeys([task.loss_name, *(each.key for each in task.score_type.figures)]))


def logged_run(event: Prepared) -> LoggedRun:
    """What there is to say of a run when its training begins."""
    run, record = event.run, event.run.record
    about = {"task": record.task, "data": record.corpus["name"], "backend": record.backend}
    about |= {"device": record.device, "parameters": record.parameters}
    named = {**about, **record.data, **record.model, **record.train}
    plain = (str, int, float)
    settings = {
        name: "none" if value is None else value if isinstance(value, plain) else str(value)
        for name, value in named.items()
    }
    created = "".join(each for each in record.created if each.isalnum())
    return LoggedRun(
        run.name,
        run.path,
        f"{run.name[:LONGEST_NAME]}-{created}",
        settings,
        [f"held_out/{key}" for key in keys_of(event.task)],
        event.step,
    )


def finite(values: Mapping[str, float]) -> Values:
    """Those that are finite, as not every library takes the others."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def as_code(text: str) -> str:
    """A text in Markdown, to be shown as it is."""
    return "\n".join("    " + line for line in text.splitlines())
