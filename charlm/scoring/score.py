"""What every score has in common, whatever it is of."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self


class Figure(NamedTuple):
    """A number that people know a score by.

    Args:
        key: its name in JSON.
        title: its heading in tables.
        short: its name where room is scarce.
    """

    key: str
    title: str
    short: str


class Score(Protocol):
    """How good a model's predictions are; scores of disjoint parts add up.

    Attributes:
        figures: what it is told by, the best known first.
    """

    figures: ClassVar[tuple[Figure, ...]]

    def __add__(self, other: Self, /) -> Self:
        """The score of both parts together."""

    @property
    def loss(self) -> float:
        """What is to be as low as possible: of two scores the one with less of it is better."""

    @property
    def is_finite(self) -> bool:
        """Whether it says anything: a model that diverged has a score that does not."""

    def to_json(self) -> dict[str, Any]:
        """All that there is to keep: the loss by its task's name for it, the figures by keys."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, also after a file, where what was not finite is None."""
