"""Texts that are too large to be held in memory: their codes lie in a mapped file.

A large text answers what a `Corpus` answers, but for `text`, which raises.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from charlm.errors import CorpusError
from charlm.machine.memory import as_bytes
from charlm.progress import PREPARING, ProgressCallback
from charlm.text.code_file import TOGETHER, CodeFile
from charlm.text.coding import Counts, counts_by_token
from charlm.text.decoding import encoded_size
from charlm.text.file_bytes import Read, TextFile
from charlm.text.making_codes import Way
from charlm.text.mapped_ids import MappedIds
from charlm.text.preparing import prepared
from charlm.text.reading import Reading
from charlm.text.tokens import BYTES
from charlm.text.vocabulary import Ids, Vocabulary

# Larger texts are prepared on the disk.
LARGE = 64 << 20  # bytes
VARIABLE = "CHARLM_LARGE_TEXT"
# Of a large text, a part of so many tokens is still held in memory.
LARGE_PART = 4_000_000


def largest_in_memory() -> int:
    """Bytes of the largest text that is held in memory: $CHARLM_LARGE_TEXT, else 64 MiB.

    Raises:
        CorpusError: the variable is no number.
    """
    given = os.environ.get(VARIABLE, "")
    if given and not given.isdecimal():
        raise CorpusError(
            f"{VARIABLE} is '{given}', and must be a number of bytes.",
            "Set it to the size from which on texts are prepared on the disk, or unset it.",
        )
    return int(given) if given else LARGE


@dataclass(frozen=True)
class LargeCorpus:
    """A text whose codes are mapped. See `charlm.text.corpus.Corpus` for what is named alike."""

    name: str
    codes: CodeFile = field(repr=False)
    files: tuple[TextFile, ...] = field(repr=False)
    way: Way
    encoding: str = "utf-8"
    told: tuple[str, ...] = ()

    # What is known of it

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.codes.contents.facts

    @property
    def normalization(self) -> str:
        return self.way.normalization

    @property
    def units(self) -> str:
        return self.way.units

    @property
    def is_bytes(self) -> bool:
        return self.units == BYTES

    @property
    def sha256(self) -> str:
        return str(self.facts["sha256"])

    @property
    def characters_sha256(self) -> str:
        return str(self.facts["characters_sha256"])

    @property
    def text_sha256(self) -> str:
        return str(self.facts["text_sha256"])

    @property
    def characters(self) -> int:
        return int(self.facts["characters"])

    @property
    def source(self) -> tuple[str, ...]:
        return tuple(file.source for file in self.files)

    @property
    def needs_copy(self) -> bool:
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        read = Read(has_line_ends=self.facts["has_line_ends"], unended=self.facts["unended"])
        return *self.told, *read.notes([file.label for file in self.files])

    @property
    def lossless(self) -> bool:
        changed = self.facts["has_line_ends"] or self.facts["unended"]
        known = self.facts["spelled"] and not changed
        return bool(known and not self.codes.contents.extra.any())

    @property
    def text(self) -> str:
        """Raises CorpusError: it is too large for what works on texts in memory."""
        raise CorpusError(
            f"{self.name} has {as_bytes(int(self.facts['size']))}: too large to be held in memory, "
            "which this takes.",
            f"Name a smaller text; or set {VARIABLE} to more bytes than it has, if there is the "
            "memory.",
        )

    def read_as(self, reading: Reading) -> "LargeCorpus":
        """The same text, read in another way."""
        normalization = reading.normalization or self.normalization
        way = replace(self.way, normalization=normalization)
        self._check("documents" if reading.documents is not None else reading.units)
        return (
            self
            if way == self.way
            else replace(self, way=way, codes=prepared(self.files, way, PREPARING.get()))
        )

    def _check(self, units: str) -> None:
        if units != self.units:
            raise CorpusError(
                f"{self.name} was read in {self.units}, and is too large to be read in {units}.",
                "Name its files instead.",
            )

    # What it is made of

    def size(self, units: str) -> int:
        """Number of tokens."""
        self._check(units)
        return len(self.codes)

    def counts(self, units: str, start: int, stop: int) -> dict[str, int]:
        """How often each token occurs in a span."""
        self._check(units)
        counts = self.codes.counts(start, stop)
        return dict(counts_by_token(self.codes.contents.alphabet, counts))

    def encode(self, vocabulary: Vocabulary, start: int, stop: int) -> MappedIds:
        """The ids of a span; what is not in the vocabulary becomes `<unk>`."""
        return MappedIds(self.codes, self._table(vocabulary), start, stop)

    def _table(self, vocabulary: Vocabulary) -> Ids:
        ids = vocabulary.encode_tokens(self.codes.contents.alphabet)
        return np.array(ids, dtype=np.min_scalar_type(len(vocabulary) - 1))

    def part(self, start: int, stop: int, units: str) -> str:
        """The characters of a span of tokens."""
        alphabet = np.array(self.codes.contents.alphabet, dtype=object)
        return "".join(alphabet[self.codes.read(start, stop)].tolist())

    def fits(self, start: int, stop: int) -> bool:
        """Whether the characters of a span of tokens, and their scores, may be held in memory."""
        return stop - start <= min(LARGE_PART, largest_in_memory())

    def characters_in(self, start: int, stop: int) -> int:
        """Number of characters of a span of tokens; of bytes, as UTF-8."""
        alphabet = self.codes.contents.alphabet
        # The bytes that go on with a character are 10xxxxxx.
        each = [
            int(not "\x80" <= token < "\xc0") if self.is_bytes else len(token) for token in alphabet
        ]
        sizes = np.array(each, dtype=np.int64)
        return int((self.codes.counts(start, stop) * sizes).sum())

    def words_in(self, start: int, stop: int) -> int:
        """Number of words of a span of tokens, as white space separates them."""
        alphabet = self.codes.contents.alphabet
        blank = np.array([self._is_blank(token[-1]) for token in alphabet])
        begins = np.array([self._is_blank(token[0]) for token in alphabet])
        found, after_blank = 0, True
        for first in range(start, stop, TOGETHER):
            codes = self.codes.read(first, min(first + TOGETHER, stop))
            ends = blank[codes]
            behind = np.concatenate([[after_blank], ends[:-1]])
            found += int((~ends & (begins[codes] | behind)).sum())
            after_blank = bool(ends[-1])
        return found

    def _is_blank(self, character: str) -> bool:
        return character.encode("latin-1").isspace() if self.is_bytes else character.isspace()

    def beginning(self, characters: int) -> str:
        """The first characters."""
        return self.part(0, min(characters, len(self.codes)), self.units)[:characters]

    def bytes_of(self, start: int, stop: int, units: str) -> int | None:
        """Number of bytes that a span of tokens was read from; None if that is unknown."""
        if not self.facts["spelled"]:
            return None
        counts = self.codes.counts(start, stop)
        return int((counts * (self._sizes + self.codes.contents.extra)).sum())

    @cached_property
    def _sizes(self) -> Counts:
        """Bytes that each code's characters take up."""
        alphabet = self.codes.contents.alphabet
        if self.is_bytes:
            return np.ones(len(alphabet), dtype=np.int64)
        # In front of each stands another, so that none is taken for the beginning of the file.
        sizes = [encoded_size(each, self.encoding, before="a") for each in alphabet]
        return np.array(sizes, dtype=np.int64)


def read_large(
    name: str,
    files: Sequence[TextFile],
    encoding: str,
    normalization: str,
    units: str,
    line_end: str,
    report: ProgressCallback | None,
) -> LargeCorpus:
    """Prepare a large text, or find it prepared.

    Raises:
        CorpusError: as `charlm.text.preparing.prepared`.
    """
    way = Way.of(encoding, normalization, units, line_end)
    codes = prepared(files, way, report or PREPARING.get())
    return LargeCorpus(name, codes, tuple(files), way, encoding)
