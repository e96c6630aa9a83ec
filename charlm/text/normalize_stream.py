"""The normalizations for a text that comes in pieces: together the same as for the whole.

Those to letters work on bytes, since `re.sub` is too slow for texts of gigabytes.
"""

from typing import Protocol

import numpy as np

from charlm.text.vocabulary import code_points

SPACE, LINE_END = b" ", b"\n"
OTHER = 128  # stands for all that is not ASCII
# Its small letter depends on what stands around it: ς ends a word.
SIGMA, FINAL_SIGMA = "Σ", "ς"


class StreamedNormalization(Protocol):
    """Normalizes a text piece by piece."""

    def feed(self, text: str) -> str | bytes:
        """The next piece, normalized: a text, or bytes of ASCII."""

    def cut(self, text: str) -> int:
        """How much of what was read so far can be fed; the rest waits for what follows it."""


def letter_table(kept: bytes) -> bytes:
    """For each byte its small letter if it is a letter of ASCII, itself if it is kept, or a space.

    Args:
        kept: characters that stay as they are.
    """
    table = bytearray(SPACE * 256)
    for small in range(ord("a"), ord("z") + 1):
        table[small] = table[small - 32] = small
    for each in kept:
        table[each] = each
    return bytes(table)


LETTERS, LETTERS_AND_LINE_ENDS = letter_table(b""), letter_table(LINE_END)


def translated(text: str, table: bytes) -> bytes:
    """A text by such a table; what is not ASCII becomes a space."""
    if text.isascii():
        return text.encode().translate(table)
    return bytes(np.minimum(code_points(text), OTHER).astype(np.uint8)).translate(table)


def single_spaces(text: bytes) -> bytes:
    """A text with one space in place of several that follow each other."""
    if SPACE * 2 not in text:
        return text
    spaces = np.frombuffer(text, np.uint8) == ord(SPACE)
    kept = ~spaces
    kept[0] = True
    kept[1:] |= ~spaces[:-1]
    return bytes(np.frombuffer(text, np.uint8)[kept])


class NoNormalization:
    """See `charlm.text.normalize.none`."""

    def feed(self, text: str) -> str:
        return text

    def cut(self, text: str) -> int:
        return len(text)


class Letters:
    """See `charlm.text.normalize.letters`."""

    def __init__(self) -> None:
        self.last = b""

    def feed(self, text: str) -> bytes:
        found = single_spaces(translated(text, LETTERS))
        if self.last == SPACE:
            found = found.removeprefix(SPACE)
        self.last = found[-1:] or self.last
        return found

    def cut(self, text: str) -> int:
        return len(text)


class LettersByLine:
    """See `charlm.text.normalize.letters_by_line`: a space only between letters of one line."""

    def __init__(self) -> None:
        # What stands behind the last letter; a text begins as a line does.
        self.held = LINE_END

    def feed(self, text: str) -> bytes:
        given = self.held + translated(text, LETTERS_AND_LINE_ENDS)
        letters = given.rstrip(SPACE + LINE_END)
        self.held = LINE_END if LINE_END in given[len(letters) :] else given[len(letters) :][:1]
        # The first line goes on where the piece before ended.
        first, *others = letters.split(LINE_END)
        return single_spaces(first.rstrip(SPACE) + b"".join(each.strip(SPACE) for each in others))

    def cut(self, text: str) -> int:
        return len(text)


class Lower:
    """See `charlm.text.normalize.lower`.

    Of all characters only a capital sigma depends on its neighbours: on whether a letter stands
    before and behind it, whatever marks come between.
    """

    def __init__(self) -> None:
        self.before = ""  # a letter if the next sigma has one before it

    def feed(self, text: str) -> str:
        lowered = (self.before + text).lower()[len(self.before) :]
        self.before = self._letter_before(text)
        return lowered

    def _letter_before(self, text: str) -> str:
        """ "a" if a sigma behind this text would have a letter before it, else ""."""
        size = 16
        while True:
            end = text[-size:] + SIGMA
            alone, after_letter = (ends_word(before + end) for before in ("", "a"))
            if alone == after_letter or size >= len(text):
                return "a" if ends_word(self.before + end if size >= len(text) else end) else ""
            size *= 16

    def cut(self, text: str) -> int:
        """Before the last sigmas of which it is not yet known whether a letter follows."""
        stop = len(text)
        while (last := text.rfind(SIGMA, 0, stop)) >= 0:
            end = "a" + text[last:stop]
            if end.lower()[1] == f"{end}a".lower()[1]:
                break
            stop = last  # One before it has to wait too if only marks stand between them.
        return stop


def ends_word(text: str) -> bool:
    """Whether the sigma that ends a text is a final one."""
    return text.lower()[-1] == FINAL_SIGMA


STREAMED: dict[str, type[StreamedNormalization]] = {
    "letters": Letters,
    "letters-by-line": LettersByLine,
    "lower": Lower,
    "none": NoNormalization,
}
