"""Archives, tar and zip, read file by file: one at a time in memory, and nothing on the disk."""

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from charlm.errors import CorpusError
from charlm.files.schema import quoted

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
# What an archive may hold before it is taken for a trap.
MOST_ENTRIES = 1_000_000
LARGEST_FILE = 256 << 20  # bytes
MOST_BYTES = 4 << 30  # of all files together, unpacked
# The list at a zip's end, which is read at once, at 46 bytes and a name for each file.
LARGEST_LIST = 64 << 20
LONGEST_END = (1 << 16) + 22  # bytes behind it, a comment among them
# What stands before a file in a tar, such as a long name.
LARGEST_NOTE = 1 << 13
# How zips are packed, usually. The others, of which few bytes may be a gigabyte, are not unpacked
# piece by piece.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Of a tar, what stands between the files: a header and a note for each, and what fills blocks.
MOST_HEADERS = MOST_ENTRIES * 2048
CHUNK = 1 << 16
# What the standard library raises where an archive is damaged; zipfile wants a password, or knows
# no such compression, with a RuntimeError.
DAMAGES = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)


NOTES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class LongNoteError(Exception):
    """What stands before a file in a tar is too long."""


class Member(NamedTuple):
    """A file in an archive.

    Args:
        parts: its path, part by part.
        read: its content, until the next member is asked for; raises CorpusError.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes]


class Entry(NamedTuple):
    """What an archive lists: a file if it can be read, else a folder, a link or a device."""

    name: str
    size: int
    read: Callable[[], bytes] | None


def archive_suffix(path: Path) -> str:
    """The ending by which an archive is known; "" for other files."""
    return next((each for each in SUFFIXES if path.name.lower().endswith(each)), "")


def members(path: Path) -> Iterator[Member]:
    """The files of an archive, in its order; folders, links and devices are passed over.

    Raises:
        CorpusError: it cannot be read, is damaged or cut off, holds more than an archive may, or a
            path that leads out of it.
    """
    is_zip, total = archive_suffix(path) == ".zip", 0
    with reading(path), path.open("rb") as file:
        entries = (zip_entries if is_zip else tar_entries)(path, file)
        for number, entry in enumerate(entries, 1):
            if number > MOST_ENTRIES:
                raise too_much(path, f"more than {MOST_ENTRIES:,} files")
            if entry.read is None:
                continue
            total += entry.size
            if entry.size < 0:
                raise tarfile.ReadError
            if entry.size > LARGEST_FILE:
                raise too_much(path, f"{quoted(entry.name)}, of more than {LARGEST_FILE:,} bytes")
            if total > MOST_BYTES:
                raise too_much(path, f"more than {MOST_BYTES:,} bytes")
            parts = tuple(each for each in entry.name.split("/") if each not in ("", "."))
            if entry.name.startswith("/") or ".." in parts:
                raise CorpusError(
                    f"'{path}' holds {quoted(entry.name)}, a path that leads out of it.",
                    "Pack it with paths that begin inside.",
                )
            yield Member(parts, within(path, entry.read))


def within(path: Path, read: Callable[[], bytes]) -> Callable[[], bytes]:
    """A reader whose errors are sentences about the archive."""

    def read_within() -> bytes:
        with reading(path):
            return read()

    return read_within


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong with an archive within the block into a CorpusError."""
    try:
        yield
    except LongNoteError:
        raise too_much(path, f"a name or note of more than {LARGEST_NOTE:,} bytes") from None
    except DAMAGES:
        raise CorpusError(
            f"'{path}' is damaged, cut off, locked, or no {archive_suffix(path)[1:]} archive.",
            "Delete it and get it again, or name the folder that it was packed from.",
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CorpusError(f"Cannot read '{path}': {reason}.") from None


def too_much(path: Path, what: str) -> CorpusError:
    """The error for an archive that may be a trap."""
    return CorpusError(
        f"'{path}' holds {what}, which is not read.",
        "Unpack it yourself if you trust it, and name the folder.",
    )


def size_of_list(file: BinaryIO) -> int:
    """Bytes of the list at the end of a zip, which says so itself; 0 if it does not."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - LONGEST_END))
    end = file.read()
    file.seek(0)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 16:
        return 0
    # One of 4 GB and more has its size elsewhere, and 2^32 - 1 here.
    return int.from_bytes(end[at + 12 : at + 16], "little")


def zip_entries(path: Path, file: BinaryIO) -> Iterator[Entry]:
    """What a zip lists.

    Raises:
        CorpusError: its list is too long, or a file is packed in an unusual way.
    """
    if size_of_list(file) > LARGEST_LIST:
        raise too_much(path, f"a list of files of more than {LARGEST_LIST:,} bytes")
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # One without a name is no folder, as zipfile would look for its last character.
            is_file = (
                bool(info.filename)
                and not info.is_dir()
                and not stat.S_ISLNK(info.external_attr >> 16)
            )

            if is_file and info.compress_type not in METHODS:
                raise CorpusError(
                    f"'{path}' holds {quoted(info.filename)}, packed in a way that is not read.",
                    "Pack it as zips usually are, or unpack it and name the folder.",
                )

            def read(info: zipfile.ZipInfo = info) -> bytes:
                # No more is unpacked than it claims, and one byte more would fail its checksum.
                with archive.open(info) as unpacked:
                    return unpacked.read(info.file_size + 1)

            yield Entry(info.filename, info.file_size, read if is_file else None)


def tar_entries(path: Path, file: BinaryIO) -> Iterator[Entry]:
    """What a tar lists, read in a stream from its beginning to its end."""
    packed = archive_suffix(path) != ".tar"
    stream = Stream(path, gzip.GzipFile(fileobj=file) if packed else file)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=Header) as archive:
        while (info := archive.next()) is not None:
            stream.piece = 0
            archive.members.clear()  # type: ignore[attr-defined]  # else it keeps them all

            def read(info: tarfile.TarInfo = info) -> bytes:
                found = archive.extractfile(info)
                return b"" if found is None else found.read()

            yield Entry(info.name, info.size, read if info.isreg() else None)
    while stream.read(CHUNK):  # gzip checks the whole once it has come to the end
        pass


class Stream(io.RawIOBase):
    """Unpacked bytes, so many at most from one member to the next, whatever a header claims."""

    def __init__(self, path: Path, file: BinaryIO | gzip.GzipFile) -> None:
        self.path = path
        self.file = file
        self.piece = self.total = 0

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(size)
        self.piece += len(content)
        self.total += len(content)
        if self.total > MOST_BYTES + MOST_HEADERS:
            raise too_much(self.path, f"more than {MOST_BYTES:,} bytes")
        if self.piece > LARGEST_FILE + CHUNK:
            raise too_much(self.path, f"more than {LARGEST_FILE:,} bytes in one piece")
        return content


class Header(tarfile.TarInfo):
    """A header of a tar. A bad one is an error, which tarfile takes for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Header":
        """Refuse notes that are long, which Python's reader takes the square of in time."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in NOTES and not 0 <= found.size <= LARGEST_NOTE:
            raise LongNoteError
        return found

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "Header":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed lacks it
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
