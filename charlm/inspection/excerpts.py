"""Where in a text a unit is most and least active, and where it happens to be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

EXCERPTS = 5
# Characters of context before and after.
BEFORE, AFTER = 40, 15


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a text about one position.

    Args:
        position: of the character after which the unit is looked at, in the whole text.
        start: of the excerpt, in the whole text.
        text: of the excerpt.
        values: the unit's activity after each of its characters.
    """

    position: int
    start: int
    text: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        # What is kept with a run may come from anywhere.
        inside = 0 <= self.position - self.start < len(self.text)
        if not inside or len(self.values) != len(self.text):
            raise ValueError("no excerpt: it lacks its position, or values of its characters")

    @property
    def value(self) -> float:
        """The activity at the position."""
        return self.values[self.position - self.start]

    @property
    def around(self) -> tuple[str, str, str]:
        """The text before the position, its character, and the text after it."""
        at = self.position - self.start
        return self.text[:at], self.text[at], self.text[at + 1 :]

    def to_json(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "start": self.start,
            "text": self.text,
            "activity": [round(each, 4) for each in self.values],
        }


@dataclass(frozen=True)
class Excerpts:
    """Positions of the highest, the lowest and of random activity; no two excerpts overlap."""

    highest: tuple[Excerpt, ...]
    lowest: tuple[Excerpt, ...]
    random: tuple[Excerpt, ...]

    def by_kind(self) -> dict[str, tuple[Excerpt, ...]]:
        return {"highest": self.highest, "lowest": self.lowest, "random": self.random}

    def to_json(self) -> dict[str, Any]:
        return {name: [each.to_json() for each in kind] for name, kind in self.by_kind().items()}


def find_excerpts(
    activity: npt.NDArray[np.float32],
    text: str,
    start: int,
    generator: np.random.Generator,
    number: int = EXCERPTS,
) -> Excerpts:
    """Choose excerpts from the part of a text that begins at `start`.

    Args:
        activity: of one unit, (characters,) from `start` on.
        text: the whole text.
        number: how many of each kind; fewer if the text is too short.
    """
    free = np.ones(len(activity), bool)

    def choose(order: Iterable[Any]) -> tuple[Excerpt, ...]:
        chosen: list[Excerpt] = []
        for at in map(int, order):
            begin, end = max(at - BEFORE, 0), min(at + AFTER + 1, len(activity))
            if len(chosen) < number and free[begin:end].all():
                free[begin:end] = False
                values = tuple(activity[begin:end].tolist())
                part = text[start + begin : start + end]
                chosen.append(Excerpt(start + at, start + begin, part, values))
            if len(chosen) == number:
                break
        return tuple(chosen)

    ascending = np.argsort(activity, kind="stable")
    highest, lowest = choose(ascending[::-1]), choose(ascending)
    return Excerpts(highest, lowest, choose(generator.permutation(len(activity))))
