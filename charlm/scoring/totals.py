"""Sums over the tokens of a text of any length, the same whatever pieces they come in."""

import math
from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Values that NumPy sums at once; their sums are summed exactly.
TOGETHER = 1 << 20
# A longer series is kept as the means of stretches of 2, 4, 8, … values.
LONGEST = 1 << 20


class Totals:
    """Nats token by token: their number, their sum, and the series in so many values at most.

    Attributes:
        count: number of values.
        each: how many of them each value of the series is the mean of.
    """

    def __init__(self) -> None:
        self.count = 0
        self.each = 1
        self._sums: list[float] = []
        self._pieces: list[Floats] = []
        self._series: list[Floats] = []
        self._length = 0

    @classmethod
    def of(cls, pieces: Iterable[Floats]) -> Self:
        """The totals of all pieces."""
        made = cls()
        for piece in pieces:
            made.add(piece)
        return made

    def add(self, values: Floats) -> None:
        """Add the values that follow."""
        folded = self.count // TOGETHER
        self.count += len(values)
        self._pieces.append(values)
        if self.count // TOGETHER > folded:
            waiting = self._waiting
            while len(waiting) >= TOGETHER:
                self._fold(waiting[:TOGETHER])
                waiting = waiting[TOGETHER:]
            self._pieces = [waiting]

    @property
    def _waiting(self) -> Floats:
        """Values that are not folded yet."""
        return np.concatenate([np.empty(0), *self._pieces])

    def _fold(self, values: Floats) -> None:
        self._sums.append(float(values.sum()))
        self._series.append(means(values, self.each))
        self._length += len(self._series[-1])
        if self._length > LONGEST:
            self._series = [means(np.concatenate(self._series), 2)]
            self.each, self._length = 2 * self.each, len(self._series[0])

    @property
    def total(self) -> float:
        """Their sum."""
        if not self._sums:
            return float(self._waiting.sum())
        return math.fsum([*self._sums, float(self._waiting.sum())])

    @property
    def series(self) -> Floats:
        """The values, or the means of `each` of them; a last stretch that is not whole is left out.

        At most twice LONGEST.
        """
        return np.concatenate([*self._series, means(self._waiting, self.each)])


def means(values: Floats, each: int) -> Floats:
    """Means of so many values that follow each other, of all that are whole."""
    if each == 1:
        return values
    found: Floats = values[: len(values) // each * each].reshape(-1, each).mean(1)
    return found


def total(values: Floats) -> float:
    """The sum of values, as `Totals` has it."""
    return Totals.of([values]).total
