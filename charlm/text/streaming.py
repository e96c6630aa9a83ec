"""Decoding in a stream: the same characters as `decoding.py` makes of whole files, in pieces."""

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from charlm.errors import CorpusError
from charlm.progress import ProgressCallback
from charlm.text.decoding import (
    LINE_ENDS,
    MARK,
    MARKS,
    Positions,
    binary_file_error,
    encoded_size,
    integers,
    line_ends_put_after,
    not_text_error,
    positions_of_crlf,
    unknown_encoding_error,
)

BLOCK = 1 << 20  # bytes
# In these a character's size depends on those before it, or a backslash writes characters.
STATEFUL = ("utf-7", "iso2022", "hz", "punycode", "idna", "unicode", "raw")


class TextFile(NamedTuple):
    """A file that a text is read from.

    Args:
        label: its name in messages.
        source: what to pass to `open_corpus` to read it again.
    """

    label: str
    path: Path
    source: str


class Piece(NamedTuple):
    """A piece of a text, with \\n as line end.

    Args:
        positions: characters that were read from more or fewer bytes than they take up in the
            encoding, ascending, (n,).
        extra: how many more, (n,).
    """

    text: str
    positions: Positions
    extra: Positions


@dataclass
class Read:
    """What is known of a text once all of it has been read.

    Args:
        files: SHA-256 of each file.
        sha256: of the bytes of all files together.
        size: of all files, in bytes.
        has_line_ends: whether some line ends were \\r\\n or \\r.
        unended: numbers of the files after which a line end was put.
        spelled: whether the bytes that were read are known from the characters.
    """

    files: list[str] = field(default_factory=list)
    sha256: str = ""
    size: int = 0
    has_line_ends: bool = False
    unended: list[int] = field(default_factory=list)
    spelled: bool = True

    def notes(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Sentences about what was changed.

        Args:
            labels: what to call each file.
        """
        ends = [labels[number] for number in self.unended]
        put = [line_ends_put_after(ends)] if ends else []
        return (*([LINE_ENDS] if self.has_line_ends else []), *put)


def can_stream(encoding: str) -> bool:
    """Whether text in an encoding can be decoded in pieces, and each character's bytes be told."""
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        raise unknown_encoding_error(encoding) from None
    whole = found.incrementaldecoder is not None and found.incrementalencoder is not None
    return whole and not found.name.replace("_", "-").startswith(STATEFUL)


def byte_pieces(
    files: Sequence[TextFile], read: Read, report: ProgressCallback, block: int = BLOCK
) -> Iterator[Piece]:
    """All bytes, as the characters U+0000 to U+00FF."""
    hashing = Hashing(files, read, report)
    for number, file in enumerate(files):
        for chunk in hashing.chunks(number, file, block):
            yield Piece(chunk.decode("latin-1"), integers(), integers())
    hashing.end()


def text_pieces(
    files: Sequence[TextFile],
    encoding: str,
    read: Read,
    report: ProgressCallback,
    line_end: str = "\n",
    block: int = BLOCK,
) -> Iterator[Piece]:
    """The characters of files, one file after another, in pieces.

    Args:
        read: filled in while the pieces are taken.
        report: called with the bytes read and those of all files.
        line_end: inserted between two files if the first does not end in it.
        block: bytes that are read at a time.

    Raises:
        CorpusError: a file cannot be read, or is not text in this encoding; the message says at
            which byte.
        SettingError: the encoding is unknown.
    """
    hashing, before, last = Hashing(files, read, report), -1, ""
    inserted = integers([-encoded_size(line_end, encoding)])
    for number, file in enumerate(files):
        reader = FileReader(file, encoding, hashing.chunks(number, file, block))
        first = True
        for text, crlf in reader.pieces():
            positions, extra = crlf, np.full(len(crlf), encoded_size("\r", encoding))
            if first and last:
                if not last.endswith(line_end):
                    read.unended.append(before)
                    yield Piece(line_end, integers([0]), inserted)
                if reader.mark:
                    positions = np.concatenate([integers([0]), crlf])
                    extra = np.concatenate([integers([reader.mark]), extra])
            yield Piece(text, positions, extra)
            first, last, before = False, text[-len(line_end) :], number
        read.has_line_ends |= reader.has_line_ends
        # An empty file says nothing of how the others are spelled.
        read.spelled &= first or reader.spelled
    hashing.end()


class Hashing:
    """Reads the bytes of files, hashes them, and tells how far it is."""

    def __init__(self, files: Sequence[TextFile], read: Read, report: ProgressCallback) -> None:
        self.total = sum(size_of(file) for file in files)
        self.read = read
        self.report = report
        # One file's hash is that of all.
        self.all = hashlib.sha256() if len(files) > 1 else None

    def chunks(self, number: int, file: TextFile, block: int) -> Iterator[bytes]:
        """The bytes of a file, in chunks that are not empty."""
        one = hashlib.sha256()
        with open_file(file) as stream:
            while chunk := read_from(stream, block, file):
                one.update(chunk)
                if self.all is not None:
                    self.all.update(chunk)
                self.read.size += len(chunk)
                self.report(min(self.read.size, self.total), self.total)
                yield chunk
        self.read.files.append(one.hexdigest())

    def end(self) -> None:
        """Note the hash of all files."""
        self.read.sha256 = self.read.files[0] if self.all is None else self.all.hexdigest()


class FileReader:
    """Decodes one file.

    Args:
        chunks: its bytes.

    Attributes:
        mark: size of its byte-order mark, known from the first piece on.
        has_line_ends, spelled: as in `Read`; known after the last piece.
    """

    def __init__(self, file: TextFile, encoding: str, chunks: Iterator[bytes]) -> None:
        self.label = file.label
        self.encoding = encoding
        self.chunks = chunks
        self.mark = 0
        self.has_line_ends = False
        self.spelled = True
        self.read = 0  # bytes
        self.nul: int | None = None  # offset of the first NUL byte
        try:
            self.decoder = codecs.getincrementaldecoder(encoding)()
            self.encoder = codecs.getincrementalencoder(encoding)()
            self.encoder.encode("")  # writes the byte-order mark, if the encoding has one
            self.one_byte = "\0".encode(encoding) == b"\0"
        except (LookupError, UnicodeError):
            raise unknown_encoding_error(encoding) from None
        self.is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self.encoded = 0  # bytes that the characters take up

    def pieces(self) -> Iterator[tuple[str, Positions]]:
        """Pieces of the text, none empty, each with the positions of \\n that were \\r\\n."""
        held, begins = "", True
        for text, is_last in self._decoded():
            raw = held + text
            if begins and raw:
                begins, raw = False, raw.removeprefix(MARK)
            held = ""
            if raw.endswith("\r") and not is_last:  # Perhaps a \n follows.
                held, raw = "\r", raw[:-1]
            if raw:
                yield self._with_line_ends(raw)
        # The byte-order mark must be all that the characters do not account for.
        self.spelled &= self.read == self.mark + self.encoded
        if self.nul is not None:
            raise binary_file_error(self.label, self.nul)

    def _with_line_ends(self, raw: str) -> tuple[str, Positions]:
        if "\r" not in raw:
            return raw, integers()
        self.has_line_ends = True
        text = raw.replace("\r\n", "\n").replace("\r", "\n")
        return text, positions_of_crlf(raw) if len(text) < len(raw) else integers()

    def _decoded(self) -> Iterator[tuple[str, bool]]:
        """What chunk by chunk is decoded, and whether it is the last."""
        for chunk in self.chunks:
            if not self.read:
                self.mark = size_of_mark(chunk, self.encoding)
            yield self._decode(chunk), False
        yield self._decode(b""), True

    def _decode(self, chunk: bytes) -> str:
        if self.nul is None and self.one_byte and b"\0" in chunk:
            self.nul = self.read + chunk.index(b"\0")
        self.read += len(chunk)
        try:
            text = self.decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            found = not_text_error(self.label, self.encoding, error, self.read)
            nul = self.nul if not self.one_byte or self.nul is not None else self._find_nul()
            # "It is binary" helps more than "byte 0xFF cannot stand there".
            if self.one_byte and nul is not None:
                found = binary_file_error(self.label, nul)
            raise found from None
        except UnicodeError:
            raise unknown_encoding_error(self.encoding) from None
        self._count(text)
        return text

    def _count(self, text: str) -> None:
        """Add up the bytes that characters take up, if they can be told."""
        if self.is_utf8:  # UTF-8 has one spelling for each character.
            self.encoded = self.read - self.mark
            return
        if self.nul is None and "\0" in text:
            before = text[: text.index("\0")]
            mark = len("".encode(self.encoding))
            self.nul = mark + self.encoded + encoded_size(before, self.encoding)
        try:
            # What is taken for a byte-order mark is no character.
            start = MARK if not self.encoded and text.startswith(MARK) else ""
            self.encoded += len(self.encoder.encode(text.removeprefix(start)))
        except UnicodeError:
            self.spelled = False

    def _find_nul(self) -> int | None:
        """Offset of the first NUL byte in what was not decoded."""
        for chunk in self.chunks:
            if b"\0" in chunk:
                return self.read + chunk.index(b"\0")
            self.read += len(chunk)
        return None


def size_of_mark(content: bytes, encoding: str) -> int:
    """Size of the byte-order mark that begins a file, in bytes."""
    for mark in sorted(MARKS, key=len, reverse=True):
        try:
            if mark and content.startswith(mark) and mark.decode(encoding) in ("", MARK):
                return len(mark)
        except UnicodeError:
            continue
    return 0


def size_of(file: TextFile) -> int:
    """Size of a file in bytes; 0 if it is not there."""
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def open_file(file: TextFile) -> BinaryIO:
    """Open a file; raises CorpusError if it cannot be read."""
    try:
        return file.path.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(file, error) from None


def read_from(stream: BinaryIO, size: int, file: TextFile) -> bytes:
    """The next bytes; none at the end."""
    try:
        return stream.read(size)
    except OSError as error:
        raise unreadable(file, error) from None


def unreadable(file: TextFile, error: OSError) -> CorpusError:
    """The error for a file that cannot be read."""
    return CorpusError(f"Cannot read '{file.label}': {(error.strerror or str(error)).lower()}.")
