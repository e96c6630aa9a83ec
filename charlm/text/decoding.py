"""Decoding: every text from outside, bytes or string, becomes characters here.

It is also recorded how many bytes each character was read from, for scores in bits per byte.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError, SettingError
from charlm.text.detection import MisreadError
from charlm.text.tokens import BYTES
from charlm.text.vocabulary import code_points

Positions = npt.NDArray[np.int64]
MARK = "\ufeff"
SPELLINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-7", "gb18030")
MARKS = {b"", *(MARK.encode(encoding) for encoding in SPELLINGS)}
LINE_ENDS = "Line ends were \\r\\n or \\r; they are read as \\n."


def integers(values: Sequence[int] = ()) -> Positions:
    """The values as an int64 array."""
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class BytesRead:
    """How many bytes the characters of a text were read from.

    That is their size in `encoding`, except for the characters at `positions`: line ends that
    were \\r\\n, line ends inserted between texts, and the first characters of later texts that
    have a byte-order mark.

    Args:
        encoding: encoding of the bytes, as Python names it.
        positions: indices of the exceptions, (n,), ascending.
        extra: how many more bytes they were read from (negative: fewer), (n,).
    """

    encoding: str = "utf-8"
    positions: Positions = field(default_factory=integers)
    extra: Positions = field(default_factory=integers)

    def count(self, text: str, start: int, stop: int) -> int:
        """Number of bytes that `text[start:stop]` was read from; `start` is at least 1.

        Raises:
            UnicodeError: a character does not exist in the encoding.
        """
        first, last = np.searchsorted(self.positions, (start, stop))
        extra = int(self.extra[first:last].sum())
        return encoded_size(text[start:stop], self.encoding, before=text[start - 1 : start]) + extra


def encoded_size(text: str, encoding: str, before: str = "") -> int:
    """Size of an encoded text in bytes, without a byte-order mark.

    Args:
        before: the characters in front of it, on which a stateful encoding depends.
    """
    encoder = codecs.getincrementalencoder(encoding)()
    # This also writes the byte-order mark, if the encoding has one, even for an empty string.
    encoder.encode(before)
    return len(encoder.encode(text))


@dataclass(frozen=True)
class Decoded:
    """A decoded text, without a byte-order mark and with \\n as line end.

    Args:
        bytes_read: None if unknown, as the encoding can write the text in several ways.
        mark: size in bytes of the byte-order mark that was removed.
        notes: sentences about what was changed.
        files: of several texts that were joined, where each but the first begins.
    """

    text: str
    bytes_read: BytesRead | None
    mark: int = 0
    notes: tuple[str, ...] = ()
    files: tuple[int, ...] = ()


def as_characters(text: str) -> str:
    """The characters that bytes spell in UTF-8, given as `as_bytes` returns them.

    A byte that spells none becomes the lone surrogate that Python's "surrogateescape" makes of it.
    """
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def in_characters(pieces: Iterator[str], units: str) -> Iterator[str]:
    """Pieces of a text as `as_characters`, each as soon as all bytes of it are there.

    Args:
        units: of the text; other units than bytes are characters already.
    """
    if units != BYTES:
        return pieces
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    shown = chain((decode(each.encode("latin-1")) for each in pieces), map(decode, [b""], [True]))
    return filter(None, shown)


def as_bytes(content: bytes) -> Decoded:
    """Bytes as they are: each is the character with its number, U+0000 to U+00FF."""
    return Decoded(content.decode("latin-1"), BytesRead("latin-1"))


def decode(content: bytes, label: str, encoding: str = "utf-8") -> Decoded:
    """Decode bytes, remove a byte-order mark, and turn line ends into \\n.

    Args:
        label: what to call the text in an error, such as a file's path.
        encoding: as Python names it, also as in `charlm.text.mixed`.

    Raises:
        CorpusError: the bytes are not text; the message gives the offset of the first bad byte.
        SettingError: the encoding is unknown or does not fit.
    """
    raw = decode_strictly(content, label, encoding).removeprefix(MARK)
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    notes = () if text == raw else (LINE_ENDS,)
    mark = byte_order_mark_size(raw, content, encoding)
    if mark is None:
        return Decoded(text, None, notes=notes)
    positions = positions_of_crlf(raw) if len(text) < len(raw) else integers()
    extra = np.full(len(positions), encoded_size("\r", encoding))
    return Decoded(text, BytesRead(encoding, positions, extra), mark, notes)


def decode_string(text: str, label: str) -> Decoded:
    """`decode` for a string; its bytes are those of its UTF-8 encoding.

    Args:
        label: what to call it in an error, such as "The prefix".

    Raises:
        CorpusError: the string has a NUL or an unpaired surrogate.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        # Python decodes invalid bytes, in command-line arguments for one, to these surrogates.
        code = ord(text[error.start])
        what = (
            f"the byte 0x{code - 0xDC00:02X}, which is not utf-8,"
            if 0xDC80 <= code <= 0xDCFF
            else f"U+{code:04X}, half of a surrogate pair,"
        )
        raise CorpusError(
            f"{label} has {what} as character {error.start + 1:,}.", "Leave it out."
        ) from None
    if "\0" in text:
        raise CorpusError(
            f"{label} has a NUL as character {text.index(chr(0)) + 1:,}.", "Leave it out."
        )
    return decode(content, label)


def decode_strictly(content: bytes, label: str, encoding: str) -> str:
    """Decode bytes and change nothing; raises the same errors as `decode`."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        # "It is binary" helps more than "byte 0xFF cannot stand there".
        if b"\0" in content and "\0".encode(encoding) == b"\0":
            raise binary_file_error(label, content.find(b"\0"), content) from None
        raise not_text_error(label, encoding, error, len(content), content) from None
    except (LookupError, UnicodeError):
        raise unknown_encoding_error(encoding) from None
    if "\0" in text:
        before = text[: text.index("\0")]
        raise binary_file_error(label, len(before.encode(encoding)), content)
    return text


def not_text_error(
    label: str, encoding: str, error: UnicodeDecodeError, read: int, content: bytes
) -> MisreadError:
    """The error for bytes that are not text.

    Args:
        read: bytes up to the end of those that the error is about.
        content: bytes of the text, to guess what they may be.
    """
    return MisreadError(
        f"'{label}' is not {encoding} text: byte 0x{error.object[error.start]:02X} "
        f"at offset {read - len(error.object) + error.start:,} cannot stand there.",
        content,
    )


def unknown_encoding_error(encoding: str) -> SettingError:
    """The error for an encoding that Python does not know, or that is not of texts."""
    return SettingError("encoding", f"'{encoding}' is not known, or does not fit.")


def binary_file_error(label: str, offset: int, content: bytes) -> MisreadError:
    """The error for a text with a NUL byte at this offset."""
    return MisreadError(
        f"'{label}' has a NUL byte at offset {offset:,}: it is binary, or text in utf-16.", content
    )


def byte_order_mark_size(raw: str, content: bytes, encoding: str) -> int | None:
    """Size of the byte-order mark in bytes, or None if `raw` does not encode back to `content`."""
    try:
        mark = len(content) - encoded_size(raw, encoding)
    except (LookupError, UnicodeError):
        return None
    return mark if mark >= 0 and content[:mark] in MARKS else None


def positions_of_crlf(raw: str) -> Positions:
    """Positions of the \\n that were \\r\\n in `raw`, counted in the text with \\n only."""
    points = code_points(raw)
    pairs = np.flatnonzero((points[:-1] == ord("\r")) & (points[1:] == ord("\n")))
    return np.asarray(pairs - np.arange(len(pairs)), dtype=np.int64)


def join(texts: Sequence[Decoded], labels: Sequence[str], line_end: str = "\n") -> Decoded:
    """Concatenate texts, with a line end inserted after each but the last that lacks one.

    Args:
        labels: what to call each text in a note.
        line_end: the line end to insert; "" inserts nothing.
    """
    filled = [(each, label) for each, label in zip(texts, labels, strict=True) if each.text]
    unended = [label for each, label in filled[:-1] if not each.text.endswith(line_end)]
    parts = [each.text for each, _ in filled]
    parts[:-1] = [part if part.endswith(line_end) else part + line_end for part in parts[:-1]]
    notes = dict.fromkeys(note for each, _ in filled for note in each.notes)
    files = tuple(accumulate(len(part) for part in parts[:-1]))
    if unended:
        notes[line_ends_put_after(unended)] = None
    bytes_read = join_bytes_read([each for each, _ in filled], parts)
    return Decoded("".join(parts), bytes_read, notes=tuple(notes), files=files)


def line_ends_put_after(labels: Sequence[str]) -> str:
    """The note about texts that end in no line end, after each of which one is put."""
    names = ", ".join(f"'{label}'" for label in labels[:3])
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    end = "ends" if len(labels) == 1 else "end"
    return f"A line end is put after {names}{more}, which {end} in none."


def join_bytes_read(texts: Sequence[Decoded], parts: Sequence[str]) -> BytesRead | None:
    """`BytesRead` of concatenated texts, or None if that of any is unknown.

    Args:
        parts: each text with the line end that was inserted after it, if any.
    """
    positions, extra = [integers()], [integers()]
    encoding, start = "utf-8", 0
    for text, part in zip(texts, parts, strict=True):
        if text.bytes_read is None:
            return None
        encoding = text.bytes_read.encoding
        # No bytes were read for an inserted line end.
        added = encoded_size(part[len(text.text) :], encoding)
        positions += [integers([start]), start + text.bytes_read.positions]
        positions += [integers([start + len(text.text)])]
        extra += [integers([text.mark if start else 0]), text.bytes_read.extra, integers([-added])]
        start += len(part)
    return BytesRead(encoding, np.concatenate(positions), np.concatenate(extra))
