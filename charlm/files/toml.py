"""TOML: writing plain values, and finding the line in which a key stands.

Python reads TOML (`tomllib`) but does not write it, and its reader does not tell where keys stand.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

# Values that are written: truth values, numbers, strings, and lists of these.
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# TOML allows more than these, with which a terminal would do something else than show them.
STEERING = "\x7f-\x9f\u2028-\u202e\u2066-\u2069"
# What a string in single quotes, in which nothing is escaped, cannot hold.
NOT_LITERAL = re.compile(f"['\0-\x08\x0a-\x1f{STEERING}]")
ESCAPED = re.compile(f'[\\\\"\0-\x1f{STEERING}]')
SHORT = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
MOST_IN_A_LINE = 80  # characters of a list
# Of a document that a stranger may have written: Python's reader takes the square of the length of
# dotted keys in time, and looking for a line reads all before it.
LARGEST = 1 << 18  # bytes
MOST_DOTS, MOST_LOOKS = 32, 64
DOTTED = re.compile(r"""(?:[\w"'-]{0,40}[ \t]{0,8}\.[ \t]{0,8}){32}""")


def dumps(values: Mapping[str, Any]) -> str:
    """Values as TOML, a key on each line; `tomllib.loads` gives equal ones.

    Raises:
        ValueError: a string has an unpaired surrogate, which TOML cannot hold.
    """
    return "".join(f"{key_of(key)} = {written(value)}\n" for key, value in values.items())


def key_of(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if BARE_KEY.fullmatch(name) else basic_string(name)


def written(value: Any) -> str:
    """A value as TOML.

    Raises:
        TypeError: it is of another kind than is written.
        ValueError: as in `dumps`.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # Paths of Windows are easier to read unescaped.
        literal = ("\\" in value or '"' in value) and not NOT_LITERAL.search(value)
        return f"'{checked(value)}'" if literal else basic_string(value)
    if isinstance(value, Sequence):
        items = [written(each) for each in value]
        if sum(map(len, items)) <= MOST_IN_A_LINE:
            return f"[{', '.join(items)}]"
        return "[\n" + "".join(f"    {each},\n" for each in items) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def basic_string(text: str) -> str:
    """A string in double quotes."""
    return f'"{ESCAPED.sub(lambda found: escape_of(found[0]), checked(text))}"'


def escape_of(character: str) -> str:
    """How a character that cannot stand in a string is written."""
    return SHORT.get(character) or f"\\u{ord(character):04x}"


def checked(text: str) -> str:
    """The text; ValueError if it has an unpaired surrogate."""
    text.encode()
    return text


def loads(content: str) -> dict[str, Any]:
    """Read TOML that a stranger may have written.

    Raises:
        TOMLDecodeError: it is none.
        ValueError: it is too long, too deep, or has keys of too many parts.
    """
    if len(content) > LARGEST:
        raise ValueError(f"it has {len(content):,} characters, and at most {LARGEST:,} are read")
    if DOTTED.search(content):
        raise ValueError(f"it has more than {MOST_DOTS} dots, one after another")
    try:
        return tomllib.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def line_of(content: str, key: str) -> int | None:
    """The number of the line in which a key at the top of a TOML document stands; None if unknown.

    Args:
        content: a whole document, which `loads` can read.
        key: as it is written there, without quotes.
    """
    spelled = "|".join(re.escape(each) for each in (key, f'"{key}"', f"'{key}'"))
    begins = re.compile(rf"[ \t]*(?:\[+[ \t]*)?(?:{spelled})[ \t]*[=.\]]")
    lines = content.replace("\r\n", "\n").split("\n")
    found = [number for number, line in enumerate(lines) if begins.match(line)]
    for number in found[:MOST_LOOKS]:
        # Within a string or a list of several lines, what comes before is no document.
        if is_document("\n".join(lines[:number])):
            return number + 1
    return None


def is_document(content: str) -> bool:
    """Whether a text is TOML."""
    try:
        loads(content)
    except ValueError:
        return False
    return True
