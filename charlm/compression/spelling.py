"""What a run's text leaves out: line ends, capitals, whatever a normalization takes away.

A text is cut into segments. Each is one entry for the run, as its normalization would have it, and
the characters that stand for it in the text: of a run of letters, the entry "t" for "T" and the
entry " " for ", ". The model codes the entries; how they are spelled is coded here, by counts of
how such entries were spelled before. A character that the run lacks is the entry "" and itself.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from charlm.compression.adaptive import AdaptiveTable, code_known
from charlm.compression.coder import Coder, damaged
from charlm.errors import UsageError
from charlm.text.tokens import CHARACTERS, WRITTEN_WORD

UNKNOWN = ""
# How an entry is spelled: as itself, in capitals, or as the characters after "=".
PLAIN, UPPER, LITERAL = "plain", "upper", "="
END = ""  # of the characters of a spelling
BLOCK = 128  # code points in a block: those of a script lie together
BLOCKS = 0x110000 // BLOCK


@dataclass(frozen=True)
class Segmentation:
    """How a text becomes entries.

    Args:
        pattern: matches one segment after another, and leaves nothing out.
        entry: a segment's entry.
        varies: whether an entry may be spelled in several ways.
    """

    pattern: str
    entry: Callable[[str], str]
    varies: Callable[[str], bool]


def line_end(segment: str) -> str:
    """A segment, or \\n for any line end."""
    return "\n" if segment[0] == "\r" else segment


def lower_case(segment: str) -> str:
    """The same in lower case, where that is a single character."""
    lower = line_end(segment).lower()
    return lower if len(lower) == 1 else segment


def letter_or_blank(segment: str) -> str:
    """A letter in lower case, or a blank."""
    return segment[0].lower() if segment[0].isascii() and segment[0].isalpha() else " "


LINES = r"\r\n?|[^\r]"
SEGMENTATIONS = {
    "none": Segmentation(LINES, line_end, lambda entry: entry == "\n"),
    "bytes": Segmentation(r"[^\n]|\n", str, lambda entry: False),
    "words": Segmentation(rf"\r\n?|{WRITTEN_WORD.pattern}", line_end, lambda entry: entry == "\n"),
    "lower": Segmentation(LINES, lower_case, lambda entry: entry == "\n" or entry.upper() != entry),
    "letters": Segmentation(r"[A-Za-z]|[^A-Za-z]+", letter_or_blank, lambda entry: True),
    # A line's last letter has with it what there is up to the next line's first one.
    "letters-by-line": Segmentation(
        r"[A-Za-z](?:[^A-Za-z\r\n]*(?:[\r\n][^A-Za-z]*|\Z))?|[^A-Za-z]+",
        letter_or_blank,
        lambda entry: True,
    ),
}


def segmentation_of(units: str, normalization: str) -> str:
    """The name of the segmentation for a run.

    Raises:
        UsageError: there is none for words that are normalized.
    """
    if units == CHARACTERS:
        return normalization
    if normalization != "none":
        raise UsageError(
            f"A run over {units} compresses only if its text was not normalized, and this one was "
            f"by '{normalization}'.",
            "Train one with --normalize none.",
        )
    return units


def segments(text: str, segmentation: str) -> tuple[list[str], list[str]]:
    """The entries of a text and their spellings, which, one after another, are the text."""
    how = SEGMENTATIONS[segmentation]
    spellings = re.findall(how.pattern, text)
    return [how.entry(each) for each in spellings], spellings


class Speller:
    """Codes how entries are spelled.

    Args:
        segmentation: its name.
        streams: how many parts of a text are coded side by side.
        longest: characters that a spelling may have.
    """

    def __init__(self, segmentation: str, streams: int, longest: int) -> None:
        self.longest = longest
        self.varies = SEGMENTATIONS[segmentation].varies
        self.before = [PLAIN] * streams  # the last spelling in each
        self.tables: defaultdict[tuple[str, ...], AdaptiveTable[str]] = defaultdict(AdaptiveTable)
        self.characters: defaultdict[str, AdaptiveTable[str]] = defaultdict(AdaptiveTable)
        self.any_character = AdaptiveTable(END)
        self.blocks = AdaptiveTable[int]()

    def code(self, coder: Coder, stream: int, entry: str, spelling: str) -> str:
        """Code the spelling of an entry, and return it."""
        if entry != UNKNOWN and not self.varies(entry):
            return entry
        kind = "letter" if entry.isalpha() else entry
        tables = self.tables[kind, self.before[stream]], self.tables[kind, ""]
        if entry != UNKNOWN and not tables[1].symbols:
            tables[1].add(PLAIN)
            tables[1].add(UPPER)
        given = as_token(entry, spelling)
        token = code_known(coder, tables, given)
        if token is None:
            token = LITERAL + self._spell(coder, given.removeprefix(LITERAL))
        for each in tables:
            each.add(token)
        self.before[stream] = token
        return as_spelling(entry, token)

    def _spell(self, coder: Coder, spelling: str) -> str:
        """Code the characters of a new spelling."""
        written, before = "", END
        while True:
            given = spelling[len(written) : len(written) + 1]
            tables = self.characters[before], self.any_character
            found = code_known(coder, tables, given)
            if found is None:
                found = self._new_character(coder, ord(given or "\0"))
            for each in tables:
                each.add(found)
            if found == END:
                return written
            written, before = written + found, found
            if len(written) > self.longest:
                raise damaged("is damaged")

    def _new_character(self, coder: Coder, point: int) -> str:
        """Code a character that was in no spelling so far, by its code point."""
        block = self.blocks.code(coder, point // BLOCK)
        if block is None:
            block = coder.code_uniform(BLOCKS, point // BLOCK)
        self.blocks.add(block)
        return chr(block * BLOCK + coder.code_uniform(BLOCK, point % BLOCK))


def as_token(entry: str, spelling: str) -> str:
    """What stands in the tables for an entry's spelling."""
    if spelling == entry:
        return PLAIN
    return UPPER if spelling == entry.upper() else LITERAL + spelling


def as_spelling(entry: str, token: str) -> str:
    """The inverse of `as_token`."""
    if token.startswith(LITERAL):
        return token.removeprefix(LITERAL)
    return entry if token == PLAIN else entry.upper()
