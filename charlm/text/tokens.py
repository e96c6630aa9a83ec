"""What a text is read as: characters, words or bytes; and the mark between documents."""

import re

CHARACTERS, WORDS, BYTES = "characters", "words", "bytes"
# What one of them is called.
ITEMS = {CHARACTERS: "character", WORDS: "word", BYTES: "byte"}
# Begins and ends each document of a text that is made of documents. Half of a surrogate pair is in
# no decoded text.
DOCUMENT = "\ud800"

# A run of letters, digits and underscores, or a single mark.
WORD = re.compile(r"\w+|[^\w\s]")
# The same with the blank before it, or a single white space: these together are the whole text.
WRITTEN_WORD = re.compile(rf"{DOCUMENT}| ?\w+| ?[^\w\s{DOCUMENT}]|\s")


def tokenize(text: str, units: str, lower: bool) -> list[str]:
    """The tokens of a text to be labelled.

    Args:
        units: "characters" or "words"; white space separates words and is none itself.
        lower: read capitals as small letters.
    """
    text = text.lower() if lower else text
    return WORD.findall(text) if units == WORDS else list(text)


def written_words(text: str) -> list[str]:
    """The words, marks and white space of a text, which joined give it back.

    A blank belongs to the word or mark that follows it: "He said: no" is "He", " said", ":", " no".
    """
    return WRITTEN_WORD.findall(text)
