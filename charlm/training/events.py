"""What a trainer tells whoever runs it. Losses are means over items, such as characters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charlm.scoring.score import Score


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """Some steps were taken; sent a few times a second.

    Args:
        progress: share of the run that is done, 0 to 1.
        loss: mean over the steps since the event before.
        seconds_left: None as long as nothing can be said.
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
        loss: mean over the training steps since the evaluation before.
        score: the better weights'; None where nothing is held out.
        improved: this is the best score yet (always true where nothing is held out).
        weights: which these are: "raw", "ema" or "average".
        scores: of all weights that there are, by the same names.
    """

    step: int
    epoch: int
    progress: float
    loss: float
    gradient_norm: float
    learning_rate: float
    items_per_second: float
    seconds: float
    score: Score | None
    improved: bool
    weights: str = "raw"
    scores: Mapping[str, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class ThreadsChanged:
    """Another number of threads is the fastest now; `most` could compute."""

    threads: int
    most: int


@dataclass(frozen=True)
class RolledBack:
    """Training diverged: the state of `to_step` is back, at a lower learning rate."""

    from_step: int
    to_step: int
    learning_rate: float


@dataclass(frozen=True)
class Stopped:
    """Training is over.

    Args:
        reason: "done", "patience", "interrupted" or "diverged".
        epoch_loss: mean over the last whole epoch's steps; None if there was none.
    """

    step: int
    reason: str
    seconds: float
    epoch_loss: float | None


Event = Progressed | Evaluated | ThreadsChanged | RolledBack | Stopped
