"""Where a model is surprised by a text, and what it expected instead."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.scoring.exact import log_probabilities, surprise_of_ids
from charlm.text.vocabulary import Ids

ALTERNATIVES = 5


@dataclass(frozen=True)
class Passage:
    """A stretch of a text, from character `start` up to `stop`, and its mean surprise in bits."""

    start: int
    stop: int
    bits: float


@dataclass(frozen=True)
class TextSurprise:
    """How surprising each character of a text is, given all before it.

    Args:
        text: the characters, of which the first is predicted by nothing.
        nats: -ln p of each after the first, (characters - 1,).
        alternatives: ids of the likeliest characters in the place of each after the first, the
            likeliest first, (characters - 1, A).
        probabilities: of these, (characters - 1, A).
        entries: the characters that ids stand for.
        corpus, split: where the text comes from.
        notes: sentences to show along with it.
    """

    text: str
    nats: npt.NDArray[np.float64]
    alternatives: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    entries: Sequence[str]
    corpus: str = ""
    split: str = "all"
    notes: tuple[str, ...] = ()

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """-log2 p of each character after the first, (characters - 1,)."""
        bits: npt.NDArray[np.float64] = self.nats / np.log(2)
        return bits

    @property
    def score(self) -> CrossEntropy:
        """The cross-entropy of all characters after the first, as of `charlm.Run.evaluate`."""
        return CrossEntropy(float(self.nats.sum()), len(self.nats))

    def likeliest(self, position: int) -> list[tuple[str, float]]:
        """What was expected at a position from 1 on, with its probability, the likeliest first."""
        ids, shares = self.alternatives[position - 1], self.probabilities[position - 1]
        return [(self.entries[i], float(p)) for i, p in zip(ids, shares, strict=True)]

    def most_surprising(self, number: int, length: int) -> list[Passage]:
        """Stretches of this many characters that surprise most on average, the most first.

        No two of them overlap.
        """
        n = len(self.nats)
        length = min(length, n)
        if not length:
            return []
        sums = np.concatenate([[0.0], np.cumsum(self.bits)])
        means = (sums[length:] - sums[:-length]) / length
        free, found = np.ones(len(means), bool), list[Passage]()
        while len(found) < number and free.any():
            best = int(np.argmax(np.where(free, means, -np.inf)))
            found.append(Passage(best + 1, best + 1 + length, float(means[best])))
            free[max(best - length + 1, 0) : best + length] = False
        return found

    def to_json(self) -> dict[str, Any]:
        """The score, and for each character its surprise and what was expected instead."""
        rows: list[dict[str, Any]] = [{"character": self.text[0], "bits": None, "likeliest": []}]
        rows += (
            {"character": self.text[at], "bits": float(bits), "likeliest": self.likeliest(at)}
            for at, bits in enumerate(self.bits, 1)
        )
        about = {"corpus": self.corpus, "split": self.split}
        return {**about, **self.score.to_json(), "text": rows}


def text_surprise(
    model: LanguageModel,
    text: str,
    ids: Ids,
    entries: Sequence[str],
    alternatives: int = ALTERNATIVES,
    report: ProgressCallback = ignore_progress,
) -> TextSurprise:
    """The surprise of each character, computed by the same function as a score.

    Args:
        ids: of the text, (characters,).
        entries: the characters that ids stand for, (V,).
        alternatives: how many of the likeliest characters to keep; at most all of them.
    """
    kept: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []

    def keeping(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        for piece in pieces:
            values, which = piece.topk(min(alternatives, piece.shape[1]), dim=1)
            kept.append((which.cpu().numpy(), values.double().exp().cpu().numpy()))
            yield piece

    with closing(log_probabilities(model, ids, report=report)) as pieces:
        nats = surprise_of_ids(keeping(pieces), ids)
    which, shares = (np.concatenate(each) for each in zip(*kept, strict=True))
    return TextSurprise(text, nats, which, shares, entries)
