"""Numbering the characters, or words, of a text that comes in pieces.

Each gets a number, its code, when it is first met, so that a text is read once and its vocabulary
need not be known: that is a table from codes to ids, and any vocabulary has one.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.text.decoding import Positions, integers
from charlm.text.tokens import written_words

Codes = npt.NDArray[np.unsignedinteger[Any]]
Counts = npt.NDArray[np.int64]
# Of ASCII the code points are uint8, else uint32.
Points = npt.NDArray[np.unsignedinteger[Any]]

POINTS = 0x110000  # of Unicode
# A dictionary of so many words takes half a gigabyte.
MOST_WORDS = 3_000_000


class Coder(Protocol):
    """Numbers what a text is made of.

    Attributes:
        alphabet: the character or word of each code.
        extra: for each code, how many more bytes it was read from than it takes up; a character
            has a code of its own for each such number.
    """

    alphabet: list[str]
    extra: list[int]

    def feed(self, points: Points, positions: Positions, extra: Positions) -> tuple[Codes, Counts]:
        """The codes of the next piece, and how often each occurs in it.

        Args:
            points: code points.
            positions, extra: as in `charlm.text.streaming.Piece`.
        """

    def end(self) -> tuple[Codes, Counts]:
        """What is left when there are no more pieces."""


class CharacterCoder:
    """Numbers characters, or bytes."""

    def __init__(self) -> None:
        self.alphabet: list[str] = []
        self.extra: list[int] = []
        self._codes = np.full(POINTS, -1, dtype=np.int32)
        self._special: dict[tuple[int, int], int] = {}

    def feed(self, points: Points, positions: Positions, extra: Positions) -> tuple[Codes, Counts]:
        if points.dtype == np.uint8:
            codes, counts = self._of_ascii(points)
        else:
            found = self._codes[points]
            if found.min(initial=0) < 0:
                self._add(np.unique(points[found < 0]))
                found = self._codes[points]
            codes = found.astype(self.type)
            counts = np.bincount(codes, minlength=len(self.alphabet))
        if len(positions):
            special = [
                self._special_code(point, more)
                for point, more in zip(points[positions].tolist(), extra.tolist(), strict=True)
            ]
            codes = codes.astype(self.type)
            codes[positions] = special
            counts = np.bincount(codes, minlength=len(self.alphabet))
        return codes, counts

    def _of_ascii(self, points: Points) -> tuple[Codes, Counts]:
        """The same for code points below 128, whose codes a table of bytes gives, mostly."""
        often = np.bincount(points, minlength=256)
        present = np.flatnonzero(often)
        self._add(present[self._codes[present] < 0])
        codes = self._codes[present]
        counts = np.zeros(len(self.alphabet), dtype=np.int64)
        counts[codes] = often[present]
        if codes.max(initial=0) > 255:
            return self._codes[points].astype(self.type), counts
        table = self._codes[:256].astype(np.uint8).tobytes()
        return np.frombuffer(points.tobytes().translate(table), np.uint8), counts

    def end(self) -> tuple[Codes, Counts]:
        return np.empty(0, dtype=np.uint8), np.zeros(len(self.alphabet), dtype=np.int64)

    @property
    def type(self) -> Any:
        """The narrowest type for all codes so far."""
        return np.min_scalar_type(max(len(self.alphabet) - 1, 0))

    def _add(self, points: npt.NDArray[Any]) -> None:
        self._codes[points] = len(self.alphabet) + np.arange(len(points))
        self.alphabet += map(chr, points.tolist())
        self.extra += [0] * len(points)

    def _special_code(self, point: int, more: int) -> int:
        found = self._special.get((point, more))
        if found is None:
            found = self._special[point, more] = len(self.alphabet)
            self.alphabet.append(chr(point))
            self.extra.append(more)
        return found


class WordCoder:
    """Numbers words."""

    def __init__(self) -> None:
        self.alphabet: list[str] = []
        self.extra: list[int] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._held = ""
        # Characters read and numbered so far, and how many more bytes which of them had.
        self._read = self._numbered = 0
        self._longer = integers(), integers()

    def feed(self, points: Points, positions: Positions, extra: Positions) -> tuple[Codes, Counts]:
        waiting, more = self._longer
        self._longer = (
            np.concatenate([waiting, self._read + positions]),
            np.concatenate([more, extra]),
        )
        self._read += len(points)
        text = self._held + characters(points)
        stop = whole_words(text)
        self._held = text[stop:]
        return self._number(text[:stop])

    def end(self) -> tuple[Codes, Counts]:
        text, self._held = self._held, ""
        return self._number(text)

    def _number(self, text: str) -> tuple[Codes, Counts]:
        words = written_words(text)
        numbers = {word: self._number_of(word, 0) for word in dict.fromkeys(words)}
        longer = self._longer_words(words, len(text))
        if len(self.alphabet) > MOST_WORDS:
            raise CorpusError(
                f"The text has more than {MOST_WORDS:,} words that differ.",
                "Read it as characters or bytes: leave out --units words.",
            )
        type_ = np.min_scalar_type(max(len(self.alphabet) - 1, 0))
        codes = np.fromiter(map(numbers.__getitem__, words), type_, len(words))
        codes[list(longer)] = list(longer.values())
        return codes, np.bincount(codes, minlength=len(self.alphabet))

    def _number_of(self, word: str, more: int) -> int:
        """The code of a word that was read from so many more bytes."""
        found = self._numbers.get((word, more))
        if found is None:
            found = self._numbers[word, more] = len(self.alphabet)
            self.alphabet.append(word)
            self.extra.append(more)
        return found

    def _longer_words(self, words: list[str], size: int) -> dict[int, int]:
        """Codes of the words that were read from more bytes or fewer, by their place.

        Args:
            size: of the words in characters.
        """
        (positions, extra), first = self._longer, self._numbered
        self._numbered += size
        due = int(positions.searchsorted(self._numbered))
        if not due:
            return {}
        self._longer = positions[due:], extra[due:]
        ends = np.cumsum([len(word) for word in words])
        more: Counter[int] = Counter()
        places = np.searchsorted(ends, positions[:due] - first, "right")
        for place, by in zip(places.tolist(), extra[:due].tolist(), strict=True):
            more[place] += by
        return {place: self._number_of(words[place], by) for place, by in more.items()}


def characters(points: Points) -> str:
    """The text of code points."""
    if points.dtype == np.uint8:
        return points.tobytes().decode("latin-1")
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def whole_words(text: str) -> int:
    """Where a text can be cut so that both parts have the words of the whole; 0 for nowhere."""
    for at in range(len(text) - 1, 0, -1):
        if text[at].isspace():
            return at
        if not (text[at].isalnum() or text[at] == "_"):
            return at + 1  # A mark is a word of its own.
    return 0


def counts_by_token(alphabet: list[str], counts: Counts) -> Iterator[tuple[str, int]]:
    """What occurs, and how often, whichever of its codes it has."""
    found: Counter[str] = Counter()
    for code in np.flatnonzero(counts).tolist():
        found[alphabet[code]] += int(counts[code])
    yield from found.items()
