"""Texts as tokens: characters, or words and marks."""

import re

from charlm.text.vocabulary import WORDS

# A run of letters, digits and underscores, or a single mark.
WORD = re.compile(r"\w+|[^\w\s]")


def tokenize(text: str, units: str, lower: bool) -> list[str]:
    """The tokens of a text.

    Args:
        units: "characters" or "words"; white space separates words and is none itself.
        lower: read capitals as small letters.
    """
    text = text.lower() if lower else text
    return WORD.findall(text) if units == WORDS else list(text)
