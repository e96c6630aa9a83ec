"""Lines of text from the bytes of a table, or from those of one of its texts."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from charlm.errors import CorpusError, SettingError
from charlm.text.detection import AUTO, settle

# Bytes that the encoding does not know, as Python's surrogateescape spells them.
UNDECODABLE = re.compile("[\udc80-\udcff]")


def read_binary(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CorpusError(f"Cannot read '{path}': {reason}.") from None


def chosen_encoding(
    encoding: str, texts: Callable[[], Iterator[tuple[str, BinaryIO]]]
) -> tuple[str, tuple[str, ...]]:
    """The encoding to read texts in, and what to tell of it: as named, or guessed for "auto".

    Args:
        texts: opens them: of each what to call it, and its bytes.

    Raises:
        CorpusError: one seems to be no text, or they are in several encodings.
    """
    if encoding != AUTO:
        return encoding, ()

    def contents() -> Iterator[tuple[str, bytes]]:
        for label, file in texts():
            with closing(file):
                yield label.strip("'"), file.read()

    guess = settle(contents())
    return guess.encoding, (guess.note("The table"),)


def lines_of(file: BinaryIO, label: str, encoding: str) -> Iterator[str]:
    """Lines with their ends; bytes that are no text are errors that name the line.

    Raises:
        CorpusError: a NUL, or bytes that are not of this encoding.
        SettingError: Python knows no such encoding.
    """
    number = 0
    name = "utf-8-sig" if encoding.lower().replace("_", "-") == "utf-8" else encoding
    try:
        with io.TextIOWrapper(file, name, "surrogateescape", newline="") as text:
            for number, line in enumerate(text, 1):
                check_line(line, number, label, encoding)
                yield line
    except UnicodeError:
        raise CorpusError(
            f"{label} is not {encoding} text, after line {number:,}.",
            "Name its encoding with --encoding, or have it guessed: --encoding auto.",
        ) from None
    except LookupError:
        raise SettingError("encoding", f"'{encoding}' is not known.") from None


def check_line(line: str, number: int, label: str, encoding: str) -> None:
    """Raise CorpusError for a line with a NUL, or with bytes that the encoding does not know."""
    if "\0" in line:
        raise CorpusError(
            f"{label} has a NUL in line {number:,}: it is binary, or text in utf-16.",
            "Name its encoding with --encoding, or have it guessed: --encoding auto.",
        )
    if found := UNDECODABLE.search(line):
        raise CorpusError(
            f"{label} is not {encoding} text: line {number:,} has the byte "
            f"0x{ord(found.group()) - 0xDC00:02X}.",
            "Name its encoding with --encoding, or have it guessed: --encoding auto.",
        )
