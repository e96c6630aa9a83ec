"""The file of a large text's codes: written in a stream, verified when it is opened, mapped.

It holds the codes one after another, in the narrowest type; then how often each occurs in
consecutive stretches; then, as JSON, the alphabet, checksums and what else is known of the text.
"""

import json
import struct
import weakref
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.files import strict_json
from charlm.text.coding import Codes, Counts

MAGIC = b"charlm-codes-1\n\0"
TAIL = struct.Struct("<QQQI16s")
# Bytes under one checksum; a few of them are looked at each time that the file is opened.
CHECKED, LOOKED_AT = 1 << 20, 16
# Numbers in the table of counts at most, and codes that are counted or widened at a time.
MOST_COUNTS, TOGETHER = 1 << 22, 1 << 22
# A process's memory includes what it has touched of a map: more than this is let go of.
MOST_MAPPED = 64 << 20
# What the system may map around a place that is read.
AROUND = 128 << 10


class DamagedCodesError(Exception):
    """A file of codes is cut off, damaged, or none."""


class Stretches:
    """How often each code occurs in consecutive stretches of a text, of as many as fit."""

    def __init__(self) -> None:
        self.stops: list[int] = []
        self.counts: list[Counts] = []

    def add(self, counts: Counts) -> None:
        """Add the stretch that follows.

        Args:
            counts: of the codes known so far, (codes,).
        """
        before = self.stops[-1] if self.stops else 0
        self.stops.append(before + int(counts.sum()))
        self.counts.append(counts)
        while len(self.counts) > 1 and len(self.counts) * len(counts) > MOST_COUNTS:
            self._merge()

    def _merge(self) -> None:
        """Put neighbours together, two and two."""
        pairs = range(0, len(self.counts), 2)
        size = len(self.counts[-1])
        self.counts = [
            np.sum([padded(each, size) for each in self.counts[i : i + 2]], 0) for i in pairs
        ]
        self.stops = [self.stops[min(i + 1, len(self.stops) - 1)] for i in pairs]

    def table(self, size: int) -> npt.NDArray[np.uint64]:
        """The counts, (stretches, size)."""
        rows = [padded(each, size) for each in self.counts]
        return np.stack(rows).astype("<u8") if rows else np.empty((0, size), "<u8")


def padded(counts: Counts, size: int) -> Counts:
    """Counts with zeros for codes that came later."""
    return np.concatenate([counts, np.zeros(size - len(counts), dtype=np.int64)])


class CodeWriter:
    """Writes codes to a file, wider ones as soon as they are needed.

    Args:
        file: open for reading and writing, and empty.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.type = np.dtype(np.uint8)
        self.length = 0
        self.stretches = Stretches()

    def write(self, codes: Codes, counts: Counts) -> None:
        """Add the codes that follow, and how often each occurs among them."""
        if not len(codes):
            return
        if codes.dtype.itemsize > self.type.itemsize:
            self._widen(codes.dtype)
        self.file.write(codes.astype(self.type.newbyteorder("<"), copy=False).tobytes())
        self.length += len(codes)
        self.stretches.add(counts)

    def _widen(self, wider: np.dtype[Any]) -> None:
        """Write again, in a wider type, what is there; from its end, as each takes more room."""
        narrow, self.type = self.type.newbyteorder("<"), wider
        for start in reversed(range(0, self.length, TOGETHER)):
            self.file.seek(start * narrow.itemsize)
            count = min(TOGETHER, self.length - start)
            codes = np.frombuffer(self.file.read(count * narrow.itemsize), narrow)
            self.file.seek(start * wider.itemsize)
            self.file.write(codes.astype(wider.newbyteorder("<")).tobytes())
        self.file.seek(self.length * wider.itemsize)

    def finish(self, alphabet: list[str], extra: list[int], facts: Mapping[str, Any]) -> None:
        """Write what follows the codes.

        Args:
            alphabet, extra: see `charlm.text.coding.Coder`.
            facts: what else to keep, as JSON.
        """
        checksums = self._checksums()
        table = self.stretches.table(len(alphabet)).tobytes()
        content = {
            "type": self.type.name,
            "length": self.length,
            "stops": self.stretches.stops,
            "alphabet": alphabet,
            "extra": {str(code): more for code, more in enumerate(extra) if more},
            "checksums": checksums,
            "facts": dict(facts),
        }
        told = strict_json.dumps(content).encode("utf-8", "surrogatepass")
        size = self.length * self.type.itemsize
        self.file.seek(size)
        crc = zlib.crc32(told, zlib.crc32(table))
        self.file.write(table + told + TAIL.pack(size, len(table), len(told), crc, MAGIC))

    def _checksums(self) -> list[int]:
        self.file.flush()
        self.file.seek(0)
        left, found = self.length * self.type.itemsize, list[int]()
        while left:
            block = self.file.read(min(left, CHECKED))
            found.append(zlib.crc32(block))
            left -= len(block)
        return found


@dataclass(frozen=True)
class Contents:
    """What stands behind the codes: see `CodeWriter.finish`."""

    type: np.dtype[Any]
    length: int
    stops: list[int]
    counts: npt.NDArray[np.uint64]
    alphabet: list[str]
    extra: Counts
    checksums: list[int]
    facts: dict[str, Any]

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Read it; raises DamagedCodesError if anything does not fit."""
        whole = file.seek(0, 2)
        file.seek(max(whole - TAIL.size, 0))
        try:
            size, table, told, crc, magic = TAIL.unpack(file.read())
            if magic != MAGIC or size + table + told + TAIL.size != whole:
                raise DamagedCodesError
            file.seek(size)
            numbers, words = file.read(table), file.read(told)
            if zlib.crc32(words, zlib.crc32(numbers)) != crc:
                raise DamagedCodesError
            content = json.loads(words)
            alphabet = content["alphabet"]
            counts = np.frombuffer(numbers, "<u8").reshape(len(content["stops"]), len(alphabet))
            extra = np.zeros(len(alphabet), dtype=np.int64)
            for code, more in content["extra"].items():
                extra[int(code)] = more
            found = cls(
                np.dtype(content["type"]).newbyteorder("<"),
                content["length"],
                content["stops"],
                counts,
                alphabet,
                extra,
                content["checksums"],
                content["facts"],
            )
        except (struct.error, ValueError, LookupError, TypeError) as error:
            raise DamagedCodesError from error
        if size != found.length * found.type.itemsize:
            raise DamagedCodesError
        return found


class CodeFile:
    """The codes of a text, mapped.

    Args:
        verify: check all of them, and not only a few places.

    Raises:
        DamagedCodesError: the file is cut off or damaged.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, verify: bool = False) -> None:
        self.path = path
        # It stays open, so that it can be mapped again if somebody removes it.
        self._file = path.open("rb")
        weakref.finalize(self, self._file.close)
        self._map: npt.NDArray[Any] | None = None
        self._touched = 0
        try:
            self.contents = Contents.read(self._file)
            self._check(verify)
        except BaseException:
            self._file.close()
            raise

    def _check(self, every: bool) -> None:
        known = self.contents.checksums
        size = self.contents.length * self.contents.type.itemsize
        step = 1 if every else max(1, len(known) // LOOKED_AT)
        for number in {*range(0, len(known), step), *range(len(known))[-1:]}:
            start = number * CHECKED
            self._file.seek(start)
            if zlib.crc32(self._file.read(min(CHECKED, size - start))) != known[number]:
                raise DamagedCodesError

    def __len__(self) -> int:
        """Number of codes."""
        return self.contents.length

    def read(self, start: int, stop: int) -> Codes:
        """A copy of the codes of a span, (stop - start,)."""
        codes = np.array(self._mapped()[start:stop])
        self._touch(codes.nbytes + AROUND)
        return codes

    def gather(self, positions: npt.NDArray[np.int64]) -> Codes:
        """The codes at positions of any shape, which follow each other along the first axis."""
        codes: Codes = self._mapped()[positions]
        runs = codes[:1].size if codes.ndim > 1 else codes.size
        self._touch(codes.nbytes + runs * AROUND)
        return codes

    def _mapped(self) -> npt.NDArray[Any]:
        if self._map is None:
            try:
                self._map = np.memmap(self._file, self.contents.type, "r", 0, (len(self),))
            except (OSError, ValueError):
                raise CorpusError(
                    f"The prepared text '{self.path}' was changed while it was in use.",
                    "Start again: it is prepared anew.",
                ) from None
        return self._map

    def _touch(self, size: int) -> None:
        """Let go of the map once much of it has been read, and with it of the memory it takes."""
        self._touched += size
        if self._touched > MOST_MAPPED:
            self._map, self._touched = None, 0

    def counts(self, start: int, stop: int) -> Counts:
        """How often each code occurs in a span, (codes,)."""
        stops = [0, *self.contents.stops]
        first, last = bisect_left(stops, start), bisect_right(stops, stop) - 1
        if first >= last:
            return self._counted(start, stop)
        whole = self.contents.counts[first:last].sum(0).astype(np.int64)
        found: Counts = (
            whole + self._counted(start, stops[first]) + self._counted(stops[last], stop)
        )
        return found

    def _counted(self, start: int, stop: int) -> Counts:
        found = np.zeros(len(self.contents.alphabet), dtype=np.int64)
        for begin in range(start, stop, TOGETHER):
            part = self.read(begin, min(begin + TOGETHER, stop))
            found += np.bincount(part, minlength=len(found))
        return found
