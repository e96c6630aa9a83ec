"""The door for every text that comes in, bytes or string: it becomes characters, and says how."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError, SettingError
from charlm.text.vocabulary import code_points

Positions = npt.NDArray[np.int64]
MARK = "\ufeff"
SPELLINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-7", "gb18030")
MARKS = {b"", *(MARK.encode(encoding) for encoding in SPELLINGS)}
LINE_ENDS = "Line ends were \\r\\n or \\r; they are read as \\n."


def integers(values: Sequence[int] = ()) -> Positions:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class BytesRead:
    """How many bytes were read for the characters of a text.

    Args:
        encoding: in which they were read, as Python names it.
        positions: characters for which more bytes were read than they have in this encoding, or
            fewer: the ends of lines that were \\r\\n, the first characters of later texts with a
            byte-order mark, line ends that were put between texts. (n,), ascending.
        extra: how many more, (n,).
    """

    encoding: str = "utf-8"
    positions: Positions = field(default_factory=integers)
    extra: Positions = field(default_factory=integers)

    def count(self, text: str, start: int, stop: int) -> int:
        """Bytes of the characters from `start`, before which there is another, to `stop`.

        Raises:
            UnicodeError: the characters do not exist in this encoding.
        """
        first, last = np.searchsorted(self.positions, (start, stop))
        extra = int(self.extra[first:last].sum())
        return encoded_size(text[start:stop], self.encoding, before=text[start - 1 : start]) + extra


def encoded_size(text: str, encoding: str, before: str = "") -> int:
    """Bytes of a text that stands behind another, and so without a byte-order mark of its own."""
    encoder = codecs.getincrementalencoder(encoding)()
    encoder.encode(before)
    return len(encoder.encode(text))


@dataclass(frozen=True)
class Decoded:
    """A text that came in: without a byte-order mark, every line ended by \\n alone.

    Args:
        bytes_read: None where the encoding has several spellings, so that nobody can tell.
        mark: bytes of the byte-order mark at its beginning.
        notes: what was changed, in sentences.
    """

    text: str
    bytes_read: BytesRead | None
    mark: int = 0
    notes: tuple[str, ...] = ()


def decode(content: bytes, label: str, encoding: str = "utf-8") -> Decoded:
    """The text that the bytes spell.

    Args:
        label: what to call the text in an error, such as a file's path.

    Raises:
        CorpusError: they spell none; the message names the offset, in bytes, of the first bad one.
        SettingError: Python knows no such encoding.
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
    """The same for a string, whose bytes are those of its UTF-8.

    Args:
        label: what to call it in an error, such as "The prefix".

    Raises:
        CorpusError: it has characters that no text has: NUL, or half of a surrogate pair.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        # Python reads bytes that are no UTF-8, in arguments for example, as these surrogates.
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
    """The bytes' characters as they are; the errors are those of `decode`."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        # Text has no NUL bytes; what has them is better called by its name.
        if b"\0" in content and "\0".encode(encoding) == b"\0":
            raise binary_file_error(label, content.find(b"\0")) from None
        raise CorpusError(
            f"'{label}' is not {encoding} text: byte 0x{error.object[error.start]:02X} "
            f"at offset {len(content) - len(error.object) + error.start:,} cannot stand there.",
            "Name its encoding with --encoding, for example latin-1, cp1251 or utf-16.",
        ) from None
    except (LookupError, UnicodeError):
        raise SettingError("encoding", f"'{encoding}' is not known, or does not fit.") from None
    if "\0" in text:
        before = text[: text.index("\0")]
        raise binary_file_error(label, len(before.encode(encoding)))
    return text


def binary_file_error(label: str, offset: int) -> CorpusError:
    return CorpusError(
        f"'{label}' has a NUL byte at offset {offset:,}: it is binary, or text in utf-16.",
        "Give a text file, or name its encoding with --encoding, for example utf-16.",
    )


def byte_order_mark_size(raw: str, content: bytes, encoding: str) -> int | None:
    """Bytes of the byte-order mark; None where the characters' are not those that were read."""
    try:
        mark = len(content) - encoded_size(raw, encoding)
    except (LookupError, UnicodeError):
        return None
    return mark if mark >= 0 and content[:mark] in MARKS else None


def positions_of_crlf(raw: str) -> Positions:
    """Where the \\n stand that were \\r\\n, in the text with \\n for it."""
    points = code_points(raw)
    pairs = np.flatnonzero((points[:-1] == ord("\r")) & (points[1:] == ord("\n")))
    return np.asarray(pairs - np.arange(len(pairs)), dtype=np.int64)


def join(texts: Sequence[Decoded], labels: Sequence[str], line_end: str = "\n") -> Decoded:
    """Several texts as one, with a line end between them where there is none.

    Args:
        labels: what to call each of them in a note.
        line_end: "" puts nothing between them.
    """
    filled = [(each, label) for each, label in zip(texts, labels, strict=True) if each.text]
    unended = [label for each, label in filled[:-1] if not each.text.endswith(line_end)]
    parts = [each.text for each, _ in filled]
    parts[:-1] = [part if part.endswith(line_end) else part + line_end for part in parts[:-1]]
    notes = dict.fromkeys(note for each, _ in filled for note in each.notes)
    if unended:
        names = ", ".join(f"'{label}'" for label in unended[:3])
        more = f" and {len(unended) - 3} more" if len(unended) > 3 else ""
        end = "ends" if len(unended) == 1 else "end"
        notes[f"A line end is put after {names}{more}, which {end} in none."] = None
    return Decoded(
        "".join(parts), join_bytes_read([each for each, _ in filled], parts), notes=tuple(notes)
    )


def join_bytes_read(texts: Sequence[Decoded], parts: Sequence[str]) -> BytesRead | None:
    """The bytes of texts that follow one another, each as the part that came of it."""
    positions, extra = [integers()], [integers()]
    encoding, start = "utf-8", 0
    for text, part in zip(texts, parts, strict=True):
        if text.bytes_read is None:
            return None
        encoding = text.bytes_read.encoding
        # A line end that was put there is a character like any other, for which nothing was read.
        put = encoded_size(part[len(text.text) :], encoding)
        positions += [integers([start]), start + text.bytes_read.positions]
        positions += [integers([start + len(text.text)])]
        extra += [integers([text.mark if start else 0]), text.bytes_read.extra, integers([-put])]
        start += len(part)
    return BytesRead(encoding, np.concatenate(positions), np.concatenate(extra))
