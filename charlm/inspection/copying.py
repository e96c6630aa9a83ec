"""What of a text is copied from the text that a model was trained on, and from where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.matches import Matches, longest_matches

# Lengths of n-grams.
SIZES = (4, 6, 8, 12, 16, 24, 32)
# Characters of the training text to show before and after a copied span; spans to list.
CONTEXT, SPANS = 40, 10


@dataclass(frozen=True)
class CopiedSpan:
    """A stretch of a text that also stands in the training text, and can be extended to no side.

    Args:
        text: what is copied.
        start: its first character in the text that was looked at, counted from 0.
        place: its first character in the training text; one of several places, if it has several.
        line: of the training text, counted from 1.
        before, after: what stands around it in the training text.
    """

    text: str
    start: int
    place: int
    line: int
    before: str
    after: str

    def to_json(self) -> dict[str, Any]:
        return {"characters": len(self.text), **vars(self)}


@dataclass(frozen=True)
class ComparedText:
    """A text beside the training text.

    Args:
        name: what to call it.
        matches: the longest match at each of its positions.
    """

    name: str
    text: str
    matches: Matches

    def share(self, n: int) -> float | None:
        """The share of its n-grams that stand in the training text; None if it has none."""
        windows = len(self.text) - n + 1
        return float((self.matches.lengths[:windows] >= n).mean()) if windows > 0 else None

    @property
    def longest(self) -> int:
        """Characters of the longest copied span."""
        return int(self.matches.lengths.max(initial=0))

    def longest_spans(self, number: int) -> list[tuple[int, int]]:
        """Start and length of the longest copied spans, the longest first, none over another."""
        lengths = self.matches.lengths
        # One that begins a character earlier goes as far, unless it cannot be extended to the left.
        before = np.concatenate([[0], lengths[:-1]])
        starts = np.flatnonzero((lengths > 0) & (before <= lengths))
        taken, found = np.zeros(len(lengths), bool), list[tuple[int, int]]()
        for start in starts[np.argsort(-lengths[starts], kind="stable")].tolist():
            if len(found) >= number:
                break
            stop = start + int(lengths[start])
            # No longer span lies within it: it would have to begin or end there.
            if not (taken[start] or taken[stop - 1]):
                taken[start:stop] = True
                found.append((start, stop - start))
        return found

    def to_json(self) -> dict[str, Any]:
        shares = {str(n): self.share(n) for n in SIZES}
        about = {"name": self.name, "characters": len(self.text)}
        return {**about, "shares": shares, "longest": self.longest}


@dataclass(frozen=True)
class Copying:
    """A text, and real text that the model was not trained on, beside the training text.

    Args:
        held_out: at most as long as `text`; None if nothing was held out.
        training: the training text.
        corpus: the name of the text that the last two are parts of.
        notes: sentences to show along with it.
    """

    text: ComparedText
    held_out: ComparedText | None
    training: str
    corpus: str = ""
    notes: tuple[str, ...] = ()

    def spans(self, number: int = SPANS) -> list[CopiedSpan]:
        """The longest copied spans of the text, the longest first; no two of them overlap."""
        return [self.span(*each) for each in self.text.longest_spans(number)]

    def span(self, start: int, length: int) -> CopiedSpan:
        """The copied span of so many characters that begins at a position of the text."""
        place = int(self.text.matches.places[start])
        stop = place + length
        return CopiedSpan(
            text=self.training[place:stop],
            start=start,
            place=place,
            line=self.training.count("\n", 0, place) + 1,
            before=self.training[max(place - CONTEXT, 0) : place],
            after=self.training[stop : stop + CONTEXT],
        )

    def to_json(self, number: int = SPANS) -> dict[str, Any]:
        """The shares by the length of n-grams, and the longest spans; positions count from 0."""
        return {
            "corpus": self.corpus,
            "training_characters": len(self.training),
            "text": self.text.to_json(),
            "held_out": self.held_out and self.held_out.to_json(),
            "spans": [each.to_json() for each in self.spans(number)],
        }


def compare(
    texts: Sequence[tuple[str, str]], training: str, report: ProgressCallback = ignore_progress
) -> list[ComparedText]:
    """Compare texts, each given with a name, with a training text."""
    found = longest_matches([text for _, text in texts], training, report)
    return [ComparedText(*text, each) for text, each in zip(texts, found, strict=True)]
