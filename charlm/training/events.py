"""Events that `Trainer.run` yields.

Losses are means over items, such as characters. Gradient norms are means over steps, before
clipping.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charlm.scoring.score import Score


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """Some steps were taken; sent a few times a second.

    Args:
        progress: share of the run that is done, 0 to 1.
        loss: training loss since the previous report or evaluation.
        gradient_norm: over the same steps.
        learning_rate: of the next step.
        seconds_left: estimate; None while there is none.
    """

    step: int
    epoch: int
    progress: float
    loss: float
    gradient_norm: float
    learning_rate: float
    items_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The held-out split was scored.

    Args:
        progress: share of the run that is done, 0 to 1.
        loss: training loss since the previous evaluation.
        items: how many it is the mean over.
        gradient_norm: over the same steps.
        learning_rate: of the next step.
        seconds: training time so far.
        score: score of the best kind of weights; None if nothing is held out.
        improved: whether `score` is the best so far (always true if nothing is held out).
        weights: the kind of weights that `score` belongs to: "raw", "ema" or "average".
        scores: scores of all kinds of weights, by these names.
    """

    step: int
    epoch: int
    progress: float
    loss: float
    items: int
    gradient_norm: float
    learning_rate: float
    items_per_second: float
    seconds: float
    score: Score | None
    improved: bool
    weights: str = "raw"
    scores: Mapping[str, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class RateLowered:
    """Evaluations brought no better held-out score, and the learning rate is lower from now on.

    Args:
        after: how many evaluations.
        before, learning_rate: the rate until now, and that of the next step.
    """

    step: int
    after: int
    before: float
    learning_rate: float


@dataclass(frozen=True)
class ThreadsChanged:
    """Another number of CPU threads, out of at most `most`, is now the fastest."""

    threads: int
    most: int


@dataclass(frozen=True)
class RolledBack:
    """Training diverged and went back to the state at `to_step`, with a lower learning rate."""

    from_step: int
    to_step: int
    learning_rate: float


@dataclass(frozen=True)
class Stopped:
    """Training is over.

    Args:
        reason: "done", "patience", "interrupted" or "diverged".
        seconds: training time, that of earlier processes included.
        epoch_loss: training loss of the last complete epoch; None if there was none.
    """

    step: int
    reason: str
    seconds: float
    epoch_loss: float | None


Event = Progressed | Evaluated | RateLowered | ThreadsChanged | RolledBack | Stopped
