"""Making the file of a large text's codes: read, decoded, normalized and numbered in one pass."""

import codecs
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from charlm.errors import CorpusError
from charlm.files import strict_json
from charlm.files.whole import MOVES_OPEN_FILES
from charlm.machine.memory import as_bytes
from charlm.progress import ProgressCallback
from charlm.text.code_file import CodeFile, CodeWriter, DamagedCodesError
from charlm.text.coding import CharacterCoder, Coder, WordCoder
from charlm.text.file_bytes import Read, TextFile, size_of
from charlm.text.normalizing import Normalizing
from charlm.text.streaming import byte_pieces, text_pieces
from charlm.text.tokens import BYTES, WORDS

# Raised when the same text would come to other codes.
VERSION = 1
SUFFIX, DRAFT = ".codes", ".draft-"
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


def look(path: Path) -> list[int]:
    """What tells whether a file is still the same: size, times of change, inode."""
    try:
        found = path.stat()
    except OSError:
        return [0, 0, 0, 0]
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def key_of(named: Sequence[str], way: Way) -> str:
    """A name for files, given by their paths or hashes, read in one way."""
    content = strict_json.dumps([VERSION, list(named), asdict(way)])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def name_of_codes(size: int, hashes: Sequence[str], way: Way) -> str:
    """The file of codes of a text of so many bytes."""
    return f"{size}-{key_of(hashes, way)}{SUFFIX}"


def opened(path: Path, known: list[int] | None) -> CodeFile | None:
    """The file of codes if it is there and whole.

    Args:
        known: its `look` when it was last verified; if it looks otherwise, it is verified anew.
    """
    try:
        return CodeFile(path, verify=look(path) != known)
    except (OSError, DamagedCodesError):
        return None


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
        draft.chmod(0o644)
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
        "spelled": read.spelled and not normalizing.changed,
        **normalizing.facts(),
    }
    writer.finish(coder.alphabet, coder.extra, facts)
