"""Properties of a text, one number for each character, that a unit may have learned to follow.

The property of character t is of what has been read once t has been: of `("` both characters are
inside brackets, and the closing one no longer is.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charlm.errors import UsageError
from charlm.text.vocabulary import printable

# A property that begins to hold less often than this, in either half of the text, is left out: of
# it little can be said, and by chance it may coincide with anything.
LEAST_STRETCHES = 10
# Characters whose being just read is a property each: the most frequent ones.
FREQUENT_CHARACTERS = 8
# What closes a quotation, by what opens it; “ also closes „.
QUOTES = {'"': '"', "“": "”", "„": "“”"}
BRACKETS = {"(": ")", "[": "]", "{": "}"}
VOWELS = frozenset("aeiouæøœаеёиоуыэюяіїєαεηιουω")
JOINERS = "\u200c\u200d"
LINE_END = re.compile("\n")
PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n")
# Marks that end a sentence, with what closes after them, before a blank; or a paragraph's end.
SENTENCE_END = re.compile(
    r"[.!?…؟۔।]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”]*|" + PARAGRAPH_END.pattern
)


@dataclass(frozen=True)
class Property:
    """A property of each character of a text.

    Args:
        name: such as "inside quotes".
        values: (characters,); of a binary one 0 and 1.
        binary: whether it is yes or no, and not a number.
        of_character: whether the character that was just read decides it, as for a vowel.
    """

    name: str
    values: npt.NDArray[np.float32]
    binary: bool = True
    of_character: bool = False

    def problem(self, cut: int) -> str:
        """Why nothing can be said of it on a text with halves that meet at `cut`; else empty."""
        for half in (self.values[:cut], self.values[cut:]):
            if half.min() == half.max():
                where = "" if self.values.min() == self.values.max() else "one half of "
                what = "holds everywhere" if half[0] else "never holds"
                return f"{what if self.binary else 'is the same everywhere'} in {where}the text"
            begins = int(np.count_nonzero(np.diff(half) > 0))
            if self.binary and begins < LEAST_STRETCHES:
                return f"begins only {begins} times in one half of the text"
        return ""


def text_properties(text: str, patterns: Mapping[str, str] | None = None) -> list[Property]:
    """All properties of a text, also those that it happens not to have.

    Args:
        text: as the model reads it.
        patterns: regular expressions by name; their matches are properties too.

    Raises:
        UsageError: a pattern is no regular expression, or has a name that is taken.
    """
    found = [
        Property("inside quotes", inside(text, quotes_of(text), nested=False)),
        Property("inside brackets", inside(text, BRACKETS, nested=True)),
        Property("position in line", since(text, LINE_END), binary=False),
        Property("position in word", position_in_word(text), binary=False),
        Property("position in sentence", since(text, SENTENCE_END), binary=False),
        Property("a blank next", of_next(text)),
        of_each(text, "upper case", str.isupper),
        of_each(text, "vowel", is_vowel),
        of_each(text, "digit", str.isdigit),
    ]
    for character, _ in Counter(text).most_common(FREQUENT_CHARACTERS):
        found.append(of_each(text, f"just read: {printable(character)}", character.__eq__))
    taken = {each.name for each in found}
    for name, pattern in (patterns or {}).items():
        if name in taken:
            raise UsageError(f"There is a property '{name}' already.", "Give yours another name.")
        found.append(Property(name, matches(text, pattern)))
    return found


def of_each(text: str, name: str, holds: Callable[[str], bool]) -> Property:
    """A property that the character itself decides."""
    known = {each: float(holds(each)) for each in set(text)}
    values = np.fromiter(map(known.__getitem__, text), np.float32, len(text))
    return Property(name, values, of_character=True)


def is_vowel(character: str) -> bool:
    """Whether it is a vowel of the Latin, Cyrillic or Greek alphabet, with any accent."""
    return unicodedata.normalize("NFD", character.lower())[0] in VOWELS


def of_next(text: str) -> npt.NDArray[np.float32]:
    """1 where the next character is a blank or a line end; 0 at the last, which has none."""
    blank = [float(each.isspace()) for each in text[1:]]
    return np.array([*blank, 0.0][: len(text)], np.float32)


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Where each paragraph starts and stops, without the empty line below it.

    In a text without empty lines each line is one.
    """
    end = PARAGRAPH_END if PARAGRAPH_END.search(text) else LINE_END
    ends = [(found.start(), found.end()) for found in end.finditer(text)]
    for (_, start), (stop, _) in pairwise([(0, 0), *ends, (len(text), len(text))]):
        yield start, stop


def quotes_of(text: str) -> Mapping[str, str]:
    """What closes a quotation by what opens it; »these« where they come first, else «these»."""
    reverse = "»" in text.partition("«")[0] and "«" in text
    return QUOTES | ({"»": "«"} if reverse else {"«": "»"})


def inside(text: str, pairs: Mapping[str, str], nested: bool) -> npt.NDArray[np.float32]:
    """1 from an opening character up to, but not including, the one that closes it.

    What its paragraph does not close ends with it.

    Args:
        pairs: the characters that may close, by what opens.
        nested: whether one may open within another, as brackets do.
    """
    values = np.zeros(len(text), np.float32)
    for start, stop in paragraphs(text):
        closing = list[str]()
        for at in range(start, stop):
            character = text[at]
            if closing and character in closing[-1]:
                closing.pop()
            elif character in pairs and (nested or not closing):
                closing.append(pairs[character])
            values[at] = bool(closing)
    return values


def since(text: str, end: re.Pattern[str]) -> npt.NDArray[np.float32]:
    """How many characters have been read after the last match; all 0 if there is none.

    A match counts once all of it has been read, and then its last character is at 0.
    """
    at = np.arange(len(text))
    last = np.zeros(len(text), np.int64)
    ends = [found.end() - 1 for found in end.finditer(text)]
    if not ends:
        return np.zeros(len(text), np.float32)
    last[ends] = ends
    return (at - np.maximum.accumulate(last)).astype(np.float32)


def position_in_word(text: str) -> npt.NDArray[np.float32]:
    """How many characters of a word have been read, from 1 on; 0 outside of words.

    A word is made of letters and digits, with their combining marks and joiners.
    """
    word = np.array([each.isalnum() or each in JOINERS or is_mark(each) for each in text], bool)
    at = np.arange(len(text))
    return (at - np.maximum.accumulate(np.where(word, -1, at))).astype(np.float32)


def is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def matches(text: str, pattern: str) -> npt.NDArray[np.float32]:
    """1 at each character of a match of a regular expression.

    Raises:
        UsageError: it is none.
    """
    try:
        expression = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"'{pattern}' is no regular expression: {error}.", "See Python's module re."
        ) from None
    values = np.zeros(len(text), np.float32)
    for match in expression.finditer(text):
        values[match.start() : match.end()] = 1
    return values
