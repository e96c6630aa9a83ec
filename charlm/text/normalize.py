"""Named normalizations: what of a text the model gets to see."""

import re
from collections import Counter
from collections.abc import Callable

Normalization = Callable[[str], str]


def letters(text: str) -> str:
    """Lower-case a-z, and one space for every run of anything else (d2l.ai, 2nd edition)."""
    return re.sub("[^A-Za-z]+", " ", text).lower()


def letters_by_line(text: str) -> str:
    """`letters` on each line by itself, stripped, joined by nothing (d2l.ai, 1st edition).

    Joining by nothing fuses the words at the border of two lines, as that edition does.
    """
    return "".join(letters(line).strip() for line in text.split("\n"))


def letters_by_line_within(text: str) -> str:
    """`letters_by_line` of what stands within a line: blanks at its own ends stay."""
    return letters_by_line(f"x{text}x")[1:-1]


def lower(text: str) -> str:
    return text.lower()


def none(text: str) -> str:
    return text


NORMALIZATIONS: dict[str, Normalization] = {
    "letters": letters,
    "letters-by-line": letters_by_line,
    "lower": lower,
    "none": none,
}

# The same for a piece of text, such as a prefix, which may begin and end in the midst of a line.
WITHIN: dict[str, Normalization] = {**NORMALIZATIONS, "letters-by-line": letters_by_line_within}


def taken(text: str, normalization: str) -> dict[str, int]:
    """The characters of which a normalization leaves nothing but blanks, with their counts.

    White space itself is not among them.
    """
    normalize = NORMALIZATIONS[normalization]
    counts = Counter(text)
    return {c: n for c, n in counts.items() if not c.isspace() and not normalize(c).strip()}
