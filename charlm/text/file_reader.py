"""Decoding one file in pieces."""

import codecs
import sys
from collections.abc import Iterator

from charlm.text.decoding import (
    MARK,
    MARKS,
    Positions,
    binary_file_error,
    encoded_size,
    integers,
    not_text_error,
    positions_of_crlf,
    unknown_encoding_error,
)
from charlm.text.file_bytes import TextFile


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
        self.first = b""  # of the chunks
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
            raise binary_file_error(self.label, self.nul, self.first)

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
                self._begin(chunk)
            yield self._decode(chunk), False
        yield self._decode(b""), True

    def _begin(self, chunk: bytes) -> None:
        """Look at the first bytes."""
        self.first = chunk
        self.mark = size_of_mark(chunk, self.encoding)
        name = codecs.lookup(self.encoding).name
        if name in ("utf-16", "utf-32") and not self.mark:
            # Without a byte-order mark the machine's order is meant; this decoder wants to be told.
            order = "le" if sys.byteorder == "little" else "be"
            self.decoder = codecs.getincrementaldecoder(f"{name}-{order}")()

    def _decode(self, chunk: bytes) -> str:
        if self.nul is None and self.one_byte and b"\0" in chunk:
            self.nul = self.read + chunk.index(b"\0")
        self.read += len(chunk)
        try:
            text = self.decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            here = bytes(error.object)
            found = not_text_error(self.label, self.encoding, error, self.read, here)
            nul = self.nul if not self.one_byte or self.nul is not None else self._find_nul()
            # "It is binary" helps more than "byte 0xFF cannot stand there".
            if self.one_byte and nul is not None:
                found = binary_file_error(self.label, nul, self.first)
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
