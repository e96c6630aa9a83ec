"""Named normalizations: functions that simplify a text before a model sees it."""

import re
from collections import Counter
from collections.abc import Callable

Normalization = Callable[[str], str]


def letters(text: str) -> str:
    """Lower-case a-z, and one space for every run of anything else (d2l.ai, 2nd edition)."""
    return re.sub("[^A-Za-z]+", " ", text).lower()


def letters_by_line(text: str) -> str:
    """Apply `letters` to each line, strip it, and join the lines (d2l.ai, 1st edition).

    As in that edition, the last word of a line fuses with the first word of the next.
    """
    return "".join(letters(line).strip() for line in text.split("\n"))


def letters_by_line_within(text: str) -> str:
    """`letters_by_line` for a text that begins and ends within a line: keeps blanks at its ends."""
    return letters_by_line(f"x{text}x")[1:-1]


def lower(text: str) -> str:
    """Convert to lower case."""
    return text.lower()


def none(text: str) -> str:
    """Return the text unchanged."""
    return text


NORMALIZATIONS: dict[str, Normalization] = {
    "letters": letters,
    "letters-by-line": letters_by_line,
    "lower": lower,
    "none": none,
}

# The same for part of a text, such as a prefix, which may begin and end within a line.
FRAGMENT_NORMALIZATIONS: dict[str, Normalization] = {
    **NORMALIZATIONS,
    "letters-by-line": letters_by_line_within,
}


def removed_characters(text: str, normalization: str) -> dict[str, int]:
    """Characters that a normalization removes or turns into white space, with their counts.

    White space itself is not included.
    """
    normalize = NORMALIZATIONS[normalization]
    counts = Counter(text)
    return {c: n for c, n in counts.items() if not c.isspace() and not normalize(c).strip()}
