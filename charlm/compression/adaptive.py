"""Frequencies that are learned while a text is coded, for what the run's model does not know."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np

from charlm.compression.coder import Coder
from charlm.compression.model import TOTAL

Symbol = TypeVar("Symbol")
# Counts are halved from here on: it keeps them small, and no symbol ever costs nothing.
MOST = 1 << 16
# Where a single symbol was ever seen, a new one counts this fraction of an occurrence.
ALONE = 8


class AdaptiveTable(Generic[Symbol]):
    """Symbols with the number of times that each has been coded, or that a new one comes.

    A new one counts as often as there are known ones (method C of Moffat, 1990, "Implementing the
    PPM data compression scheme"); where only one was ever seen, most likely nothing else comes.
    """

    def __init__(self, *known: Symbol) -> None:
        self.symbols = list(known)
        self.numbers = {symbol: number for number, symbol in enumerate(known)}
        self.counts = [1] * len(known)
        self.total = len(known)

    def code(self, coder: Coder, symbol: Symbol) -> Symbol | None:
        """Code a symbol, or that it is a new one; then the result is None."""
        known = len(self.symbols)
        if not known:
            return None
        new = known if known > 1 else 1 / ALONE
        weights = np.array([*self.counts, new]) * ALONE
        shares = 1 + weights.astype(np.int64) * (TOTAL - known - 1) // int(weights.sum())
        shares[shares.argmax()] += TOTAL - shares.sum()
        number = coder.code(shares, self.numbers.get(symbol, known))
        return None if number == known else self.symbols[number]

    def add(self, symbol: Symbol) -> None:
        """Count a symbol that has been coded."""
        if symbol not in self.numbers:
            self.numbers[symbol] = len(self.symbols)
            self.symbols.append(symbol)
            self.counts.append(0)
        self.counts[self.numbers[symbol]] += 1
        self.total += 1
        if self.total >= MOST:
            self.counts = [(each + 1) // 2 for each in self.counts]
            self.total = sum(self.counts)


def code_known(
    coder: Coder, tables: Iterable[AdaptiveTable[Symbol]], symbol: Symbol
) -> Symbol | None:
    """Code a symbol with the first table that knows it; None if it is new to all of them."""
    found = (each.code(coder, symbol) for each in tables)
    return next((each for each in found if each is not None), None)


class UnknownRate:
    """How often characters come that the run lacks, after a known one and after an unknown one."""

    def __init__(self) -> None:
        self.seen, self.unknown = [0, 0], [0, 0]

    def frequency(self, after_unknown: bool) -> int:
        """Out of TOTAL."""
        seen, unknown = self.seen[after_unknown], self.unknown[after_unknown]
        return (8 * unknown + 1) * TOTAL // (8 * seen + 8)

    def add(self, after_unknown: bool, unknown: bool) -> None:
        """Count a character."""
        self.seen[after_unknown] += 1
        self.unknown[after_unknown] += unknown
