"""The interface that the scores of all tasks share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self


class Figure(NamedTuple):
    """A number by which a score is reported.

    Args:
        key: its name in JSON.
        title: its heading in tables.
        short: its name in narrow displays.
        more_is_better: whether a higher number is the better one.
    """

    key: str
    title: str
    short: str
    more_is_better: bool = False


class Score(Protocol):
    """How good a model's predictions are. Scores of disjoint data can be added.

    Attributes:
        figures: the numbers that it is reported by, the most familiar first.
    """

    figures: ClassVar[tuple[Figure, ...]]

    def __add__(self, other: Self, /) -> Self:
        """The score of both parts together."""

    @property
    def loss(self) -> float:
        """The quantity by which scores are compared; lower is better."""

    @property
    def is_finite(self) -> bool:
        """Whether the score is meaningful, which that of a diverged model is not."""

    def to_json(self) -> dict[str, Any]:
        """Values to store: the loss under the task's `loss_name`, figures by key, and others."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; in files, None stands for a number that is not finite."""


@dataclass(frozen=True)
class Scored:
    """A held-out score of a run.

    Args:
        split: "test" or "val".
        items: number of items scored, such as characters; None if unknown.
        final: whether the whole split was scored at the end; otherwise this is the best score so
            far, on the beginning of the split.
    """

    score: Score
    split: str
    items: int | None
    final: bool
