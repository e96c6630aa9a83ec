"""The vocabulary: characters, words or bytes, and their ids."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import UnknownCharacterError, look_up
from charlm.files import strict_json
from charlm.text.tokens import BYTES, CHARACTERS, DOCUMENT, WORDS, written_words

Ids = npt.NDArray[np.unsignedinteger[Any]]

UNKNOWN = "<unk>"
UNKNOWN_ID = 0
UNITS = (CHARACTERS, WORDS, BYTES)
SURROGATE = re.compile("[\ud800-\udfff]")
POLICIES = {"error": "refuse the text", "replace": f"read them as {UNKNOWN}", "skip": "drop them"}


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Unicode code points of the text, (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def printable(entry: str) -> str:
    """An entry in readable form: itself, "space", an escape such as \\n, or its code point.

    Of a word, the blank before it is shown as "·".
    """
    named = {" ": "space", "\n": "\\n", "\t": "\\t", "\r": "\\r", DOCUMENT: "<doc>"}
    if entry in named or entry == UNKNOWN:
        return named.get(entry, UNKNOWN)
    if len(entry) > 1:
        blank = "·" if entry.startswith(" ") else ""
        return blank + entry.removeprefix(" ") if entry.isprintable() else repr(entry)
    if entry.isprintable() and unicodedata.category(entry)[0] != "M":
        return entry
    return f"U+{ord(entry):04X}"


def count_tokens(text: str, units: str) -> dict[str, int]:
    """How often each token of a text occurs."""
    if units == WORDS:
        return Counter(written_words(text))
    points, numbers = np.unique(code_points(text), return_counts=True)
    return {chr(p): n for p, n in zip(points.tolist(), numbers.tolist(), strict=True)}


class Vocabulary:
    """An immutable two-way map between entries and ids.

    Ids run by descending frequency in the training split, ties by code point; id 0 is `<unk>`.
    Bytes are the characters U+0000 to U+00FF. Of texts made of documents, the mark that begins and
    ends each is an entry too, with id 1.

    Args:
        entries: those with ids 1, 2, 3, …
        counts: how often each occurs in the training split.
        unknown_count: how many tokens of the training split became `<unk>`.
        units: what the entries are, "characters", "words" or "bytes".
    """

    def __init__(
        self,
        entries: Iterable[str],
        counts: Iterable[int],
        unknown_count: int = 0,
        units: str = CHARACTERS,
    ) -> None:
        self.entries = tuple(entries)
        self.counts = tuple(counts)
        self.unknown_count = unknown_count
        self.units = units
        if units not in UNITS:
            raise ValueError(f"a vocabulary's entries are {', '.join(UNITS)}")
        if not all(isinstance(each, str) and each for each in self.entries):
            raise ValueError("a vocabulary's entries are texts")
        if units != WORDS and not all(len(each) == 1 for each in self.entries):
            raise ValueError("a vocabulary's entries are single characters")
        if units == BYTES and not all(each <= "\xff" or each == DOCUMENT for each in self.entries):
            raise ValueError("a vocabulary's entries are bytes")
        if not all(isinstance(each, int) for each in (*self.counts, unknown_count)):
            raise ValueError("a vocabulary's counts are whole numbers")
        if min((*self.counts, unknown_count)) < 0:
            raise ValueError("a vocabulary's counts are at least 0")
        if not len(self.counts) == len(self.entries) == len(set(self.entries)):
            raise ValueError("a vocabulary needs distinct characters and a count for each")

    @classmethod
    def build(
        cls, text: str, min_count: int = 1, units: str = CHARACTERS, most: int | None = None
    ) -> "Vocabulary":
        """Make a vocabulary of what occurs at least `min_count` times in `text`.

        All 256 bytes are in a vocabulary of bytes, whether they occur or not.

        Args:
            most: keep no more entries than this, the most frequent ones; None: all.
        """
        return cls.of_tokens(count_tokens(text, units), units, min_count, most)

    @classmethod
    def of_tokens(
        cls, counts: Mapping[str, int], units: str, min_count: int = 1, most: int | None = None
    ) -> "Vocabulary":
        """`build` for a text of which the tokens are counted."""
        if units == BYTES:
            counts = {chr(byte): 0 for byte in range(256)} | dict(counts)
            min_count, most = 0, None
        return cls.of_counts(counts, units, min_count, most)

    @classmethod
    def of_counts(
        cls, counts: Mapping[str, int], units: str, min_count: int = 1, most: int | None = None
    ) -> "Vocabulary":
        """Make a vocabulary of tokens that were counted.

        Args:
            most: keep no more entries than this, the most frequent ones; None: all.
        """
        ordered = sorted(counts, key=lambda token: (token != DOCUMENT, -counts[token], token))
        wanted = (token for token in ordered if counts[token] >= min_count or token == DOCUMENT)
        entries = list(islice(wanted, most))
        known = [counts[token] for token in entries]
        return cls(entries, known, sum(counts.values()) - sum(known), units)

    def __len__(self) -> int:
        """Number of entries, `<unk>` included."""
        return len(self.entries) + 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return False
        return (self.units, self.entries) == (other.units, other.entries)

    def __hash__(self) -> int:
        return hash(self.entries)

    def __contains__(self, entry: str) -> bool:
        return entry in self._numbers

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {entry: number for number, entry in enumerate(self.entries, 1)}

    @cached_property
    def _ids(self) -> Ids:
        """Table from code point to id, up to one code point beyond the highest known one."""
        points = np.array([ord(character) for character in self.entries], dtype=np.int64)
        table = np.zeros(int(points.max(initial=0)) + 2, dtype=self._type)
        table[points] = np.arange(1, len(self))
        return table

    @property
    def _type(self) -> np.dtype[np.unsignedinteger[Any]]:
        return np.min_scalar_type(len(self) - 1)

    @property
    def document_id(self) -> int:
        """Id of the mark that begins and ends each document; 0 if the text is not made of them."""
        return self._numbers.get(DOCUMENT, 0)

    @property
    def likely_beginning(self) -> str:
        """Default entry to start from: a document's mark, a line end, a space, or the first."""
        return next((each for each in (DOCUMENT, "\n", " ") if each in self), self.entries[0])

    def split(self, text: str) -> Sequence[str]:
        """The text in units: a string of characters or bytes, or a list of words."""
        return written_words(text) if self.units == WORDS else text

    def unknown(self, text: str) -> dict[str, int]:
        """What of `text` is not in the vocabulary, with counts, the most frequent first."""
        return self.unknown_of(count_tokens(text, self.units))

    def unknown_of(self, counts: Mapping[str, int]) -> dict[str, int]:
        """`unknown` for a text of which the tokens are counted."""
        missing = [(-n, entry) for entry, n in counts.items() if entry not in self]
        return {entry: -n for n, entry in sorted(missing)}

    def encode(self, text: str, unknown: str = "error") -> Ids:
        """Ids of the units of a text, (units,), in the smallest unsigned type that holds them.

        Args:
            unknown: what to do about units without an id: "error", "replace" or "skip".

        Raises:
            UnknownCharacterError: there are such units and `unknown` is "error".
        """
        look_up(POLICIES, unknown, "policy for unknown characters")
        if self.units == WORDS:
            ids = np.array(self.encode_tokens(written_words(text)), dtype=self._type)
        else:
            points = code_points(text)
            # The table's last entry is 0: all code points beyond the highest known one land there.
            ids = self._ids[np.minimum(points, len(self._ids) - 1)]
        if unknown != "replace" and not ids.all():
            if unknown == "error":
                raise lacking(self.unknown(text))
            ids = ids[ids != UNKNOWN_ID]
        return ids

    def encode_tokens(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens, those without an id as `<unk>`."""
        numbers = self._numbers
        return [numbers.get(token, UNKNOWN_ID) for token in tokens]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids; `<unk>` becomes U+FFFD."""
        return "".join(self.entries[i - 1] if i else "\N{REPLACEMENT CHARACTER}" for i in ids)

    def by_id(self) -> dict[str, str | list[str]]:
        """What other programs need: `units`, and the `vocabulary`, `<unk>` included, by id."""
        entries = ["<doc>" if each == DOCUMENT else each for each in self.entries]
        return {"units": self.units, "vocabulary": [UNKNOWN, *entries]}

    def to_json(self) -> str:
        """The vocabulary as JSON text."""
        content = {
            self.units: self.entries,
            "counts": self.counts,
            "unknown_count": self.unknown_count,
        }
        return strict_json.dumps(content, ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, content: str) -> "Vocabulary":
        """The inverse of `to_json`.

        Raises:
            ValueError: the content is not what `to_json` writes.
        """
        try:
            values = strict_json.loads(content)
            named = (each for each in UNITS if each in values and values[each] is not None)
            units = next(named, CHARACTERS)
            entries, counts = values[units], values["counts"]
            if not (isinstance(entries, list) and isinstance(counts, list)):
                raise ValueError("a vocabulary has lists")
            if any(SURROGATE.search(each) for each in entries if each != DOCUMENT):
                raise ValueError("a vocabulary has no halves of surrogate pairs")
            return cls(entries, counts, values["unknown_count"], units)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no vocabulary ({error})") from None


def describe(unknown: Mapping[str, int], most: int = 12) -> str:
    """List the first `most` unknown characters, or words, for a message."""
    named = ", ".join(f"'{printable(entry)}'" for entry in list(unknown)[:most])
    rest = f" and {len(unknown) - most} more" if len(unknown) > most else ""
    return f"{named}{rest}"


def lacking(unknown: Mapping[str, int]) -> UnknownCharacterError:
    """The error for a text with unknown characters, or words, where none are allowed."""
    return UnknownCharacterError(
        f"The vocabulary lacks {describe(unknown)}.",
        "Use --unknown replace or --unknown skip, or leave them out.",
    )
