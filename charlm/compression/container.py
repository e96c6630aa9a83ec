"""The compressed file: a header, the coder's words, and a checksum of all of it.

    8 bytes     CHARLM, 0x1A, and the version of the format
    text        name of the run: its length in bytes, then UTF-8
    8 bytes     the model's hash
    text        the encoding of the text; empty for UTF-8
    4 bytes     CRC-32 of the original bytes
    number      size of the original in bytes
    number      segments of the text, which the model reads one after the other
    number      size of what the coder wrote
    ...         what the coder wrote
    4 bytes     CRC-32 of all of the above

Fixed sizes are little-endian. A number takes seven bits a byte, the lowest first; all bytes but its
last have their highest bit set.
"""

import zlib
from dataclasses import dataclass

from charlm.compression.coder import CompressionError, damaged

MAGIC, VERSION = b"CHARLM\x1a", 2
# In version 1 the run's model predicts alone.
MODEL_ALONE = 1
UTF_8 = "utf-8"
CHECKSUM = 4
HASH = 8
# Bytes of the longest number: 2^63 has nine.
LONGEST_NUMBER = 9


@dataclass(frozen=True)
class Header:
    """What a compressed file says of itself.

    Args:
        run: name of the run that it was made with.
        model_hash: of all that the run's predictions depend on, 8 bytes.
        encoding: of the text, as Python names it.
        crc: CRC-32 of the original bytes.
        size: of the original, in bytes.
        segments: how many the text has.
        version: of the format.
    """

    run: str
    model_hash: bytes
    encoding: str
    crc: int
    size: int
    segments: int
    version: int = VERSION


def pack(header: Header, coded: bytes) -> bytes:
    """The compressed file."""
    content = b"".join(
        (
            MAGIC,
            bytes([header.version]),
            packed_text(header.run),
            header.model_hash,
            packed_text("" if header.encoding == UTF_8 else header.encoding),
            header.crc.to_bytes(CHECKSUM, "little"),
            *(packed_number(each) for each in (header.size, header.segments, len(coded))),
            coded,
        )
    )
    return content + zlib.crc32(content).to_bytes(CHECKSUM, "little")


def unpack(content: bytes) -> tuple[Header, bytes]:
    """The header of a compressed file, and what the coder wrote.

    Raises:
        CompressionError: it is none, is of another version of the format, or is damaged.
    """
    if content[: len(MAGIC)] != MAGIC:
        raise CompressionError(
            "This is no text that charlm compressed." if content else "There is nothing to read.",
            "Give what `charlm compress` has written.",
        )
    reader = Reader(content, len(MAGIC))
    version = reader.bytes(1)[0]
    if not MODEL_ALONE <= version <= VERSION:
        raise CompressionError(
            f"The compressed text has version {version} of the format, and this charlm reads "
            f"versions {MODEL_ALONE} to {VERSION}.",
            "Update charlm." if version > VERSION else "Use the charlm that wrote it.",
        )
    header = Header(
        run=reader.text(),
        model_hash=reader.bytes(HASH),
        encoding=reader.text() or UTF_8,
        crc=int.from_bytes(reader.bytes(CHECKSUM), "little"),
        size=reader.number(),
        segments=reader.number(),
        version=version,
    )
    coded = reader.bytes(reader.number())
    checksum = int.from_bytes(reader.bytes(CHECKSUM), "little")
    if reader.at != len(content):
        raise damaged(f"has {len(content) - reader.at:,} bytes more than it should")
    if zlib.crc32(content[:-CHECKSUM]) != checksum:
        raise damaged("has changed since it was written: its checksum does not fit")
    return header, coded


def packed_number(number: int) -> bytes:
    """A number, seven bits a byte."""
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + packed_number(high) if high else bytes([low])


def packed_text(text: str) -> bytes:
    """A short text, after its length."""
    content = text.encode("utf-8", "surrogatepass")
    return packed_number(len(content)) + content


class Reader:
    """Reads a compressed file piece by piece; each method raises CompressionError at its end."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def bytes(self, size: int) -> bytes:
        """The next bytes."""
        left = len(self.content) - self.at
        if size > left:
            raise damaged(f"is cut short: {size - left:,} bytes or more are missing at its end")
        self.at += size
        return self.content[self.at - size : self.at]

    def number(self) -> int:
        """A number."""
        number = 0
        for place in range(LONGEST_NUMBER):
            (digit,) = self.bytes(1)
            number |= (digit & 0x7F) << 7 * place
            if not digit & 0x80:
                return number
        raise damaged("has changed since it was written: it has a number without an end")

    def text(self) -> str:
        """A short text."""
        return self.bytes(self.number()).decode("utf-8", "replace")
