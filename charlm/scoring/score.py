"""The interface that the scores of all tasks share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from charlm.files.schema import Count, check, quoted


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


# Squares of larger numbers are none of float64.
LARGEST = 1e150


def stored_number(values: Mapping[str, Any], name: str, least: float = -math.inf) -> float:
    """A number of a stored score; NaN where it is null.

    Raises:
        KeyError, ValueError: there is none, or it is none that a score can have.
    """
    value = values[name]
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not (least <= value or value != value):
        raise ValueError(f"{name} cannot be {quoted(value)}")
    if abs(value) > LARGEST:
        raise ValueError(f"{name} is too large")
    return float(value)


def stored_count(values: Mapping[str, Any], name: str) -> int:
    """A number of items of a stored score.

    Raises:
        KeyError, ValueError: there is none, or it is none.
    """
    check(values[name], Count, name)
    return int(values[name])


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
