"""Decoding in a stream: the same characters as `decoding.py` makes of whole files, in pieces."""

import codecs
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlm.progress import ProgressCallback
from charlm.text.decoding import Positions, encoded_size, integers, unknown_encoding_error
from charlm.text.file_bytes import BLOCK, Hashing, Read, TextFile
from charlm.text.file_reader import FileReader

# In these a character's size depends on those before it, or a backslash writes characters.
STATEFUL = ("utf-7", "iso2022", "hz", "punycode", "idna", "unicode", "raw")


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


def can_stream(encoding: str) -> bool:
    """Whether text in an encoding can be decoded in pieces, and each character's bytes be told."""
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        raise unknown_encoding_error(encoding) from None
    whole = found.incrementaldecoder is not None and found.incrementalencoder is not None
    is_text = getattr(found, "_is_text_encoding", True)
    return whole and is_text and not found.name.replace("_", "-").startswith(STATEFUL)


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
