"""The vocabulary: characters and their ids."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import UnknownCharacterError, look_up
from charlm.files import strict_json

Ids = npt.NDArray[np.unsignedinteger[Any]]

UNKNOWN = "<unk>"
UNKNOWN_ID = 0
CHARACTERS, WORDS = "characters", "words"
POLICIES = {"error": "refuse the text", "replace": f"read them as {UNKNOWN}", "skip": "drop them"}


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Unicode code points of the text, (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def printable(character: str) -> str:
    """A character in readable form: itself, "space", an escape such as \\n, or its code point."""
    if character == " ":
        return "space"
    if character == UNKNOWN:
        return character
    if character.isprintable() and unicodedata.category(character)[0] != "M":
        return character
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return short.get(character) or f"U+{ord(character):04X}"


class Vocabulary:
    """An immutable two-way map between entries and ids: characters, or words where a task asks.

    Ids run by descending frequency in the training split, ties by code point; id 0 is `<unk>`.

    Args:
        entries: those with ids 1, 2, 3, …
        counts: how often each occurs in the training split.
        unknown_count: how many tokens of the training split became `<unk>`.
        units: what the entries are, "characters" or "words".
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
        if units not in (CHARACTERS, WORDS):
            raise ValueError("a vocabulary's entries are characters or words")
        if not all(isinstance(each, str) and each for each in self.entries):
            raise ValueError("a vocabulary's entries are texts")
        if units == CHARACTERS and not all(len(each) == 1 for each in self.entries):
            raise ValueError("a vocabulary's entries are single characters")
        if not all(isinstance(each, int) for each in (*self.counts, unknown_count)):
            raise ValueError("a vocabulary's counts are whole numbers")
        if not len(self.counts) == len(self.entries) == len(set(self.entries)):
            raise ValueError("a vocabulary needs distinct characters and a count for each")

    @classmethod
    def build(cls, text: str, min_count: int = 1) -> "Vocabulary":
        """Make a vocabulary of the characters that occur at least `min_count` times in `text`."""
        points, counts = np.unique(code_points(text), return_counts=True)
        kept = counts >= min_count
        order = np.lexsort((points[kept], -counts[kept]))
        characters = [chr(point) for point in points[kept][order]]
        return cls(characters, counts[kept][order].tolist(), int(counts[~kept].sum()))

    @classmethod
    def of_counts(
        cls, counts: Mapping[str, int], units: str, min_count: int = 1, most: int | None = None
    ) -> "Vocabulary":
        """Make a vocabulary of tokens that were counted.

        Args:
            most: keep no more entries than this, the most frequent ones; None: all.
        """
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        entries = [token for token in ordered if counts[token] >= min_count][:most]
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

    def __contains__(self, character: str) -> bool:
        return character in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.entries)

    @cached_property
    def _ids(self) -> Ids:
        """Table from code point to id, up to one code point beyond the highest known one."""
        points = np.array([ord(character) for character in self.entries], dtype=np.int64)
        table = np.zeros(int(points.max(initial=0)) + 2, dtype=np.min_scalar_type(len(self) - 1))
        table[points] = np.arange(1, len(self))
        return table

    @property
    def likely_beginning(self) -> str:
        """Default character to start from: a line end, a space, or the most frequent character."""
        return next((each for each in "\n " if each in self), self.entries[0])

    def unknown(self, text: str) -> dict[str, int]:
        """Characters of `text` that are not in the vocabulary, with counts, most frequent first."""
        points, counts = np.unique(code_points(text), return_counts=True)
        missing = [(-int(n), chr(p)) for p, n in zip(points, counts, strict=True)]
        return {char: -n for n, char in sorted(missing) if char not in self}

    def encode(self, text: str, unknown: str = "error") -> Ids:
        """Ids of the characters, (characters,), in the smallest unsigned type that holds them.

        Args:
            unknown: what to do about characters without an id: "error", "replace" or "skip".

        Raises:
            UnknownCharacterError: there are such characters and `unknown` is "error".
        """
        look_up(POLICIES, unknown, "policy for unknown characters")
        points = code_points(text)
        # The table's last entry is 0: every code point beyond the highest known one lands there.
        ids = self._ids[np.minimum(points, len(self._ids) - 1)]
        if unknown != "replace" and not ids.all():
            if unknown == "error":
                raise UnknownCharacterError(
                    f"The vocabulary lacks {describe(self.unknown(text))}.",
                    "Use --unknown replace or --unknown skip, or leave them out.",
                )
            ids = ids[ids != UNKNOWN_ID]
        return ids

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {entry: number for number, entry in enumerate(self.entries, 1)}

    def encode_tokens(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens, those without an id as `<unk>`."""
        numbers = self._numbers
        return [numbers.get(token, UNKNOWN_ID) for token in tokens]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids; `<unk>` becomes U+FFFD."""
        return "".join(self.entries[i - 1] if i else "\N{REPLACEMENT CHARACTER}" for i in ids)

    def by_id(self) -> dict[str, str | list[str]]:
        """What other programs need: `units`, and the `vocabulary`, `<unk>` included, by id."""
        return {"units": self.units, "vocabulary": [UNKNOWN, *self.entries]}

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
            values = json.loads(content)
            units = WORDS if WORDS in values else CHARACTERS
            return cls(values[units], values["counts"], values["unknown_count"], units)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no vocabulary ({error})") from None


def describe(unknown: Mapping[str, int], most: int = 12) -> str:
    """List the first `most` unknown characters in words, for a message."""
    named = ", ".join(f"'{printable(character)}'" for character in list(unknown)[:most])
    rest = f" and {len(unknown) - most} more" if len(unknown) > most else ""
    return f"{named}{rest}"
