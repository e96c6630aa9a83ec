"""Named normalizations: what of a text the model gets to see."""

import re
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
