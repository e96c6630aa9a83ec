"""The result of scoring a text that is too large to be held in memory."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from charlm.errors import UsageError
from charlm.scoring.cross_entropy import SCORES, TokenCrossEntropy
from charlm.scoring.intervals import Estimate
from charlm.scoring.results import Evaluation, LineScore, interval_of
from charlm.scoring.totals import Totals


@dataclass(frozen=True)
class LargeEvaluation(Evaluation):
    """An `Evaluation` of which only sums are kept: `text` and `surprise` are empty.

    Args:
        nats: of all tokens after the first.
        characters_scored, words_scored: those that the tokens after the first take up.
    """

    nats: Totals = field(default_factory=Totals, repr=False)
    characters_scored: int = 0
    words_scored: int = 0

    @property
    def score(self) -> TokenCrossEntropy:
        return self.score_of(self.nats.total)

    def score_of(self, nats: float) -> TokenCrossEntropy:
        return SCORES[self.units](nats, self.nats.count)

    @property
    def characters(self) -> int:
        return self.characters_scored

    @property
    def words(self) -> int:
        return self.words_scored

    @cached_property
    def interval(self) -> Estimate:
        return interval_of(self.nats, self.units)

    @property
    def lines(self) -> list[LineScore]:
        """Raises UsageError: the text is too large to be shown line by line."""
        raise UsageError(
            f"{self.corpus} is too large to be scored line by line.",
            "Leave out --per-line, or score a smaller part of it.",
        )


EMPTY = np.empty(0)
