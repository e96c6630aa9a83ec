"""The bytes of files, read in chunks and hashed on the way."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from charlm.errors import CorpusError
from charlm.progress import ProgressCallback
from charlm.text.decoding import LINE_ENDS, line_ends_put_after

BLOCK = 1 << 20  # bytes
LONGEST_MARK = 4


class TextFile(NamedTuple):
    """A file that a text is read from.

    Args:
        label: its name in messages.
        source: what to pass to `open_corpus` to read it again.
    """

    label: str
    path: Path
    source: str


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


class Hashing:
    """Reads the bytes of files, hashes them, and tells how far it is."""

    def __init__(self, files: Sequence[TextFile], read: Read, report: ProgressCallback) -> None:
        self.total = sum(size_of(file) for file in files)
        self.read = read
        self.report = report
        # One file's hash is that of all.
        self.all = hashlib.sha256() if len(files) > 1 else None

    def chunks(self, number: int, file: TextFile, block: int) -> Iterator[bytes]:
        """The bytes of a file, in chunks that are not empty. A byte-order mark comes whole."""
        one, size = hashlib.sha256(), max(block, LONGEST_MARK)
        with open_file(file) as stream:
            while chunk := read_from(stream, size, file):
                size = block
                one.update(chunk)
                if self.all is not None:
                    self.all.update(chunk)
                self.read.size += len(chunk)
                if self.read.size > self.total:  # One that grows for ever would be read for ever.
                    raise changed_error([file])
                self.report(min(self.read.size, self.total), self.total)
                yield chunk
        self.read.files.append(one.hexdigest())

    def end(self) -> None:
        """Note the hash of all files."""
        self.read.sha256 = self.read.files[0] if self.all is None else self.all.hexdigest()


def size_of(file: TextFile) -> int:
    """Size of a file in bytes; 0 if it is not there."""
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def beginning_of(file: TextFile) -> bytes:
    """The first bytes of a file, to tell its encoding by: of a long one as many as end a line."""
    with open_file(file) as stream:
        content = read_from(stream, BLOCK, file)
    # In encodings with zeros a line may end in the middle of a character.
    if len(content) < BLOCK or b"\0" in content:
        return content
    return content[: content.rfind(b"\n") + 1] or content


def changed_error(files: Sequence[TextFile]) -> CorpusError:
    """The error for files that are not what they were when reading began."""
    named = ", ".join(f"'{file.label}'" for file in files[:3])
    return CorpusError(
        f"{named} changed while it was read.", "Wait until nothing writes to it, and try again."
    )


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
