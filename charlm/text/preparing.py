"""Preparing a large text: decoded, normalized, counted and numbered in one pass, once for all.

The result is a file in the cache folder (`code_file.py`), named by what it was made of: the bytes
of the files and the way in which they were read. Beside it stands for each text what its files
looked like (size, times, inode), so that they are known again without being read.
"""

import codecs
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from charlm.errors import CorpusError
from charlm.files import strict_json
from charlm.files.whole import MOVES_OPEN_FILES, write
from charlm.machine.memory import as_bytes
from charlm.progress import ProgressCallback
from charlm.text.catalog import cache_folder
from charlm.text.code_file import CodeFile, CodeWriter, DamagedCodesError
from charlm.text.coding import CharacterCoder, Coder, Points, WordCoder
from charlm.text.decoding import Positions, integers
from charlm.text.normalize_stream import STREAMED
from charlm.text.streaming import (
    Hashing,
    Piece,
    Read,
    TextFile,
    byte_pieces,
    size_of,
    text_pieces,
)
from charlm.text.tokens import BYTES, WORDS
from charlm.text.vocabulary import code_points

# Raised when the same text would come to other codes.
VERSION = 1
# A file may change twice within one tick of its system's clock.
TICK = 50_000_000  # nanoseconds
SUFFIX, DRAFT = ".codes", ".draft-"
# Of drafts, those that nobody has written to for so many seconds are abandoned.
ABANDONED = 3600.0
MAKE_ROOM = (
    "Make room, for example with `charlm corpus prepared --delete`, or set CHARLM_CACHE_DIR to a "
    "folder on another disk."
)


@dataclass(frozen=True)
class Way:
    """The way in which files are read as a text.

    Args:
        line_end: what is put between two files.
    """

    encoding: str
    normalization: str
    units: str
    line_end: str

    @classmethod
    def of(cls, encoding: str, normalization: str, units: str, line_end: str) -> "Way":
        """The same for all names of an encoding; bytes have none."""
        name = "" if units == BYTES else codecs.lookup(encoding).name
        return cls(name, normalization, units, "" if units == BYTES else line_end)


def prepared_folder() -> Path:
    """Where prepared texts are kept."""
    return cache_folder() / "prepared"


def prepared(files: Sequence[TextFile], way: Way, report: ProgressCallback) -> CodeFile:
    """The codes of a text, from the cache if they are there and whole.

    Args:
        report: called with the bytes read and those of all files, if they have to be.

    Raises:
        CorpusError: a file cannot be read or is no text, or changes meanwhile; there is no room.
    """
    folder = prepared_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
    except OSError as error:
        raise cannot_keep(folder, error) from None
    looks, note = look_of(files), folder / f"{key_of([*map(path_of, files)], way)}.json"
    known = read_note(note)
    if known is not None and known["files"] == looks:
        found = opened(folder / known["codes"], known["look"])
        if found is not None:
            return found
    size = sum(map(size_of, files))
    found = None
    if any(folder.glob(f"{size}-*{SUFFIX}")):  # Perhaps the same text, in another place.
        hashes = hashes_of(files, report)
        found = opened(folder / name_of_codes(size, hashes, way), None)
    if found is None:
        found = make(folder, files, way, report)
    if look_of(files) != looks:
        named = ", ".join(f"'{file.label}'" for file in files[:3])
        raise CorpusError(
            f"{named} changed while it was read.", "Wait until nothing writes to it, and try again."
        )
    newest = max(each[1] for each in looks)
    if time.time_ns() - newest > TICK:
        told = {"files": looks, "codes": found.path.name, "look": look(found.path)}
        about = {"paths": [*map(path_of, files)], "way": asdict(way)}
        with suppress(OSError):  # Without it the bytes are read again.
            write(note, strict_json.dumps({**told, **about}))
    return found


def path_of(file: TextFile) -> str:
    """The whole path of a file."""
    return str(file.path.resolve())


def look(path: Path) -> list[int]:
    """What tells whether a file is still the same: size, times of change, inode."""
    try:
        found = path.stat()
    except OSError:
        return [0, 0, 0, 0]
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def look_of(files: Sequence[TextFile]) -> list[list[int]]:
    """`look` of each file."""
    return [look(file.path) for file in files]


def key_of(named: Sequence[str], way: Way) -> str:
    """A name for files, given by their paths or hashes, read in one way."""
    content = strict_json.dumps([VERSION, list(named), asdict(way)])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def name_of_codes(size: int, hashes: Sequence[str], way: Way) -> str:
    """The file of codes of a text of so many bytes."""
    return f"{size}-{key_of(hashes, way)}{SUFFIX}"


def read_note(note: Path) -> dict[str, Any] | None:
    """What was noted of a text; None if nothing was, or it is damaged."""
    try:
        known = json.loads(note.read_bytes())
        return known if {"files", "codes", "look"} <= set(known) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def opened(path: Path, known: list[int] | None) -> CodeFile | None:
    """The file of codes if it is there and whole.

    Args:
        known: its `look` when it was last verified; if it looks otherwise, it is verified anew.
    """
    try:
        return CodeFile(path, verify=look(path) != known)
    except (OSError, DamagedCodesError):
        return None


def hashes_of(files: Sequence[TextFile], report: ProgressCallback) -> list[str]:
    """SHA-256 of each file."""
    read = Read()
    hashing = Hashing(files, read, report)
    for number, file in enumerate(files):
        for _ in hashing.chunks(number, file, 1 << 22):
            pass
    return read.files


def make(folder: Path, files: Sequence[TextFile], way: Way, report: ProgressCallback) -> CodeFile:
    """Prepare a text; its file appears only once it is whole."""
    needed, free = sum(map(size_of, files)), shutil.disk_usage(folder).free
    if needed > free:
        raise CorpusError(
            f"Preparing this text takes up to {as_bytes(needed)} in '{folder}', where "
            f"{as_bytes(free)} are free.",
            MAKE_ROOM,
        )
    read = Read()
    try:
        handle, name = tempfile.mkstemp(prefix=DRAFT, dir=folder)
    except OSError as error:
        raise cannot_keep(folder, error) from None
    draft = Path(name)
    try:
        with os.fdopen(handle, "r+b") as file:
            write_codes(file, files, way, read, report)
            file.flush()
            os.fsync(file.fileno())
        path = folder / name_of_codes(read.size, read.files, way)
        put_in_place(draft, path)
        return CodeFile(path)
    except OSError as error:
        raise cannot_keep(folder, error) from None
    finally:
        draft.unlink(missing_ok=True)


def put_in_place(draft: Path, path: Path) -> None:
    """Give a draft its name; another process may have been faster, and read its own."""
    try:
        draft.replace(path)
    except PermissionError:
        if MOVES_OPEN_FILES or opened(path, None) is None:
            raise


def cannot_keep(folder: Path, error: OSError) -> CorpusError:
    """The error for a cache that cannot be written."""
    reason = (error.strerror or str(error)).lower()
    return CorpusError(f"Cannot keep the prepared text in '{folder}': {reason}.", MAKE_ROOM)


def write_codes(
    file: IO[bytes], files: Sequence[TextFile], way: Way, read: Read, report: ProgressCallback
) -> None:
    """Read a text in pieces, and write its codes and what is known of it."""
    writer = CodeWriter(file)
    coder: Coder = WordCoder() if way.units == WORDS else CharacterCoder()
    pieces = (
        byte_pieces(files, read, report)
        if way.units == BYTES
        else text_pieces(files, way.encoding, read, report, way.line_end)
    )
    normalizing = Normalizing(way.normalization, pieces)
    for piece in normalizing.pieces():
        writer.write(*coder.feed(*piece))
    writer.write(*coder.end())
    facts = {
        "sha256": read.sha256,
        "size": read.size,
        "has_line_ends": read.has_line_ends,
        "unended": read.unended,
        "spelled": read.spelled and not normalizing.changed and not normalizing.lost(way.units),
        **normalizing.facts(),
    }
    writer.finish(coder.alphabet, coder.extra, facts)


class Normalizing:
    """Normalizes the pieces of a text, and hashes its characters before and after."""

    def __init__(self, name: str, pieces: Iterator[Piece]) -> None:
        self.given = pieces
        self.normalize = STREAMED[name]()
        self.before = hashlib.sha256()
        # Where nothing is normalized, both are the same.
        self.after = self.before if name == "none" else hashlib.sha256()
        self.changed = False
        self.characters = self.decoded = 0
        self.has_extra = False

    def pieces(self) -> Iterator[tuple[Points, Positions, Positions]]:
        """Code points, and which were read from more or fewer bytes: none once any was changed."""
        held, positions, extra = "", integers(), integers()
        for text, more, by in self.given:
            self.has_extra |= bool(len(more))
            text, more, by = held + text, *shifted(len(held), positions, extra, more, by)
            stop = self.normalize.cut(text)
            now = int(more.searchsorted(stop))
            yield self._normalized(text[:stop], more[:now], by[:now])
            held, positions, extra = text[stop:], more[now:] - stop, by[now:]
        if held:
            yield self._normalized(held, positions, extra)

    def _normalized(
        self, text: str, positions: Positions, extra: Positions
    ) -> tuple[Points, Positions, Positions]:
        given = text.encode("utf-8", "surrogatepass")
        found = self.normalize.feed(text)
        spelled = found if isinstance(found, bytes) else given
        if found is not text:
            if isinstance(found, str):
                spelled = found.encode("utf-8", "surrogatepass")
            self.changed |= spelled != given
        self.before.update(given)
        if self.after is not self.before:
            self.after.update(spelled)
        self.decoded += len(text)
        self.characters += len(found)
        if self.changed:
            positions, extra = integers(), integers()
        if isinstance(found, str) and len(found) < len(spelled):
            return code_points(found), positions, extra
        return np.frombuffer(spelled, np.uint8), positions, extra

    def lost(self, units: str) -> bool:
        """Whether some characters' bytes are not known from the codes."""
        return units == WORDS and self.has_extra

    def facts(self) -> dict[str, Any]:
        """Hashes and sizes, in characters before and after."""
        return {
            "characters_sha256": self.before.hexdigest(),
            "text_sha256": self.after.hexdigest(),
            "characters": self.characters,
            "decoded": self.decoded,
        }


def shifted(
    by: int, positions: Positions, extra: Positions, more: Positions, more_extra: Positions
) -> tuple[Positions, Positions]:
    """Positions of a held piece and of the one behind it, which begins at `by`."""
    if not len(positions) and not by:
        return more, more_extra
    return np.concatenate([positions, more + by]), np.concatenate([extra, more_extra])


def remove_abandoned(folder: Path) -> None:
    """Remove drafts of processes that were killed."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > ABANDONED:
                draft.unlink()
