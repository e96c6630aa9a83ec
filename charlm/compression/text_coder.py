"""The text itself, by the run's model: the same steps for writing and for reading.

The model's predictions are mixed with an n-gram model of the text so far, and its longest match.

A text is cut into parts of equal length, which are read side by side: that is several times as
fast, and each part but the first costs about twenty bits, as its state begins with zeros.
"""

from collections.abc import Sequence

import numpy as np

from charlm.compression.adaptive import UnknownRate
from charlm.compression.coder import Coder
from charlm.compression.model import (
    Frequencies,
    ReproducibleEngine,
    frequencies,
    mixed_weights,
    weights_of,
    weights_of_counts,
)
from charlm.compression.spelling import UNKNOWN, Speller, segmentation_of
from charlm.mixing.mixture import Mixture
from charlm.progress import ProgressCallback
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.vocabulary import UNKNOWN_ID

# Segments of a part, and the most parts there are; up to a few parts, shorter ones will do.
PART, MOST_PARTS = 1 << 16, 64
SHORT_PART, FEW_PARTS = 1 << 11, 4
REPORT_EVERY = 64  # steps


def parts_of(size: int) -> int:
    """The number of parts for a text of so many segments."""
    return max(1, min(FEW_PARTS, size // SHORT_PART), min(MOST_PARTS, size // PART))


class TextCoder:
    """Codes one text.

    Args:
        run: whose model, vocabulary and normalization are used.
        coder: writes or reads.
        size: number of segments of the text.
        longest: number of characters that it has at most.
        mixes: whether the model's predictions are mixed with what was read.
    """

    def __init__(
        self, run: LanguageModelRun, coder: Coder, size: int, longest: int, mixes: bool = True
    ) -> None:
        self.coder, self.size = coder, size
        self.entries = (UNKNOWN, *run.vocabulary.entries)
        counts = [run.vocabulary.unknown_count, *run.vocabulary.counts]
        self.parts = parts_of(size)
        self.engine = ReproducibleEngine(run.settings.model, run.load_weights())
        self.first = weights_of_counts(counts).repeat(self.parts, axis=0)
        segmentation = segmentation_of(run.vocabulary.units, run.normalization)
        self.speller = Speller(segmentation, self.parts, longest)
        self.rate = UnknownRate()
        self.mixture: Mixture | None = None
        if mixes:
            lengths = [-(-size // self.parts)] * self.parts
            self.mixture = Mixture(len(self.entries), lengths, np.empty(0, np.int64))

    def code(
        self, ids: Sequence[int], spellings: Sequence[str], report: ProgressCallback
    ) -> list[list[str]]:
        """Code the text, and return the spellings of each part.

        Args:
            ids: of the segments' entries, 0 for those that the run lacks; empty for a decoder.
            spellings: of the segments; empty for a decoder.
            report: called now and then with the number of segments done and the total.
        """
        length = -(-self.size // self.parts)
        found: list[list[str]] = [[] for _ in range(self.parts)]
        state, weights = self.engine.initial_state(self.parts), self.first
        last = [1] * self.parts  # the ids before; at the beginning none is unknown
        for step in range(length):
            if step:
                logits, state = self.engine.step(np.array(last), state)
                weights = weights_of(logits)
            least = [self.rate.frequency(each == UNKNOWN_ID) for each in last]
            # Only at the last step may a part be at its end already, or several.
            for part in range(min(self.parts, -(-(self.size - step) // length))):
                at = part * length + step
                given = (ids[at], spellings[at]) if spellings else (UNKNOWN_ID, "")
                id, spelling = self._code_segment(part, weights[part], least[part], *given)
                self.rate.add(last[part] == UNKNOWN_ID, id == UNKNOWN_ID)
                last[part] = id
                found[part].append(spelling)
            if step % REPORT_EVERY == 0:
                report(step * self.parts, self.size)
        return found

    def _code_segment(
        self, part: int, weights: Frequencies, least: int, id: int, spelling: str
    ) -> tuple[int, str]:
        """Code one segment of a part: its entry, and its spelling.

        Args:
            weights: in proportion to the model's probabilities, (V,).
            least: the least frequency of `<unk>`.
        """
        if self.mixture:
            weights = mixed_weights(self.mixture, part, weights)
        id = self.coder.code(frequencies(weights[None], np.array([least]))[0], id)
        if self.mixture:
            self.mixture.follow(id, part)
        return id, self.speller.code(self.coder, part, self.entries[id], spelling)
