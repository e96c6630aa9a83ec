"""UTF-8 in which some lines are in another encoding, as a codec that Python knows by its name.

Files grow from several sources: `utf-8+cp1252` reads each line as UTF-8 if it is, else as cp1252.
The name can be given wherever Python takes that of an encoding, once this file is imported.
"""

import codecs
from functools import partial
from typing import Any

MIXED = "utf-8+"
# As Python asks for it: it turns what is no letter or digit into an underscore.
ASKED_AS = "utf_8_"


def mixed_name(other: str) -> str:
    """The name of UTF-8 with lines in another encoding."""
    return f"{MIXED}{other}"


def decode(other: str, content: bytes, errors: str = "strict") -> tuple[str, int]:
    """The text of the bytes, line by line, and how many bytes that were.

    Args:
        other: the encoding of lines that are not UTF-8.
    """
    content = bytes(content)
    try:
        return content.decode(), len(content)
    except UnicodeDecodeError:
        lines = content.splitlines(keepends=True)
    return "".join(decoded_line(other, each, errors) for each in lines), len(content)


def decoded_line(other: str, line: bytes, errors: str) -> str:
    """A line as UTF-8 if it is, else in the other encoding."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode(other, errors)


class Decoder(codecs.BufferedIncrementalDecoder):
    """Decodes pieces of a text: a line once its end has come."""

    def __init__(self, other: str, errors: str = "strict") -> None:
        super().__init__(errors)
        self.other = other

    def _buffer_decode(self, data: Any, errors: str, final: bool) -> tuple[str, int]:
        end = len(data) if final else data.rfind(b"\n") + 1
        return decode(self.other, data[:end], errors)


def find(name: str) -> codecs.CodecInfo | None:
    """The codec that Python asks for by this name; None if it is not one of these."""
    if not name.startswith(ASKED_AS):
        return None
    try:
        other = codecs.lookup(name.removeprefix(ASKED_AS))
    except LookupError:
        return None
    if other.name.startswith(("utf-16", "utf-32")):  # no lines of bytes
        return None
    utf_8 = codecs.lookup("utf-8")
    return codecs.CodecInfo(
        # Whatever is UTF-8 can be read back.
        utf_8.encode,
        partial(decode, other.name),
        incrementalencoder=utf_8.incrementalencoder,
        incrementaldecoder=partial(Decoder, other.name),
        name=mixed_name(other.name),
    )


codecs.register(find)
