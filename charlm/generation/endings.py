"""How texts end before their length, or go on beyond it."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.text.tokens import DOCUMENT, WORDS
from charlm.text.vocabulary import Vocabulary

# Characters beyond the length after which a text ends even if its sentence does not.
MOST_BEYOND = 1000


class End(NamedTuple):
    """Where a text ends.

    Args:
        known: how many characters had been written when that became known; of several ends, the
            one that was known first counts.
        at: how many of them belong to the text.
    """

    known: int
    at: int


class Ending(Protocol):
    """A way in which a text ends; it keeps nothing of a text.

    It is shown the end of a text: all that `waiting` held back, and what was written after that.
    """

    def find(self, text: str, before: int) -> End | None:
        """Where in `text`, before which `before` characters stand, the text ends, if it does."""

    def waiting(self, text: str) -> int:
        """How many of the last characters may be part of an end, or decide it."""


class StopStrings:
    """Ends a text where the first of some strings begins."""

    def __init__(self, strings: Sequence[str]) -> None:
        self.strings = strings

    def find(self, text: str, before: int) -> End | None:
        ends = [End(text.find(each) + len(each), text.find(each)) for each in self.strings]
        # Of several that are complete at once, the longest.
        return min((end for end in ends if end.at >= 0), default=None)

    def waiting(self, text: str) -> int:
        return max((overlap(text, each) for each in self.strings), default=0)


def overlap(text: str, stop: str) -> int:
    """The most characters at the end of the text that are the beginning of `stop`."""
    longest = min(len(text), len(stop))
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


# Marks that end a sentence where white space follows, as in Unicode's property Sentence_Terminal,
# and those of Chinese and Japanese, where none does.
SPACED = ".!?…‥‼‽⁇⁈⁉։؝؞؟۔܀܁܂।॥၊။።፧፨។៕᠃᠉᥄᥅．"
DENSE = "。！？｡﹒﹖﹗"
# Quotation marks and brackets that belong to the sentence before them.
CLOSING = "\"'”’»«“‘›‹)]}」』）】〉》〕］｝＂＇_*"
PART = re.escape(SPACED + DENSE + CLOSING)


class SentenceEnd:
    """Ends a text after the first sentence that ends at the length or beyond.

    A sentence ends after one or several of . ! ? … and the like and the closing quotation marks
    behind them, where white space follows; after Chinese and Japanese marks, whatever follows. So
    3.14 goes on, and "Mr. Hill" counts as an end. It is known one character later.

    Args:
        length: characters that the text has at least.
    """

    ends = re.compile(f"[{SPACED}][{PART}]*(?=\\s)|[{DENSE}][{PART}]*(?=[^{PART}])")
    last = re.compile(f"[{SPACED}{DENSE}][{PART}]*$")

    def __init__(self, length: int) -> None:
        self.length = length

    def find(self, text: str, before: int) -> End | None:
        found = (each.end() for each in self.ends.finditer(text))
        return next((End(at + 1, at) for at in found if before + at >= self.length), None)

    def waiting(self, text: str) -> int:
        found = self.last.search(text)
        return len(text) - found.start() if found else 0


def endings_of(config: SamplingConfig, vocabulary: Vocabulary) -> list[Ending]:
    """What these settings ask for.

    Raises:
        SettingError: no sentence ever ends in this vocabulary.
    """
    # A document ends where the model draws the mark between documents.
    stops = (*config.stops, DOCUMENT) if vocabulary.document_id else config.stops
    found: list[Ending] = [StopStrings(stops)] if stops else []
    if config.until_sentence_end:
        if not set(SPACED + DENSE) & set("".join(vocabulary.entries)):
            raise SettingError(
                "until_sentence_end",
                "needs a run that writes full stops or other marks, and this one knows none.",
            )
        found.append(SentenceEnd(round(config.length * mean_length(vocabulary))))
    return found


def mean_length(vocabulary: Vocabulary) -> float:
    """Characters of an entry, on average in the training text."""
    if vocabulary.units != WORDS:
        return 1.0
    written = sum(
        len(each) * n for each, n in zip(vocabulary.entries, vocabulary.counts, strict=True)
    )
    return written / max(sum(vocabulary.counts), 1)


def most_characters(config: SamplingConfig) -> int:
    """How many characters are written at most."""
    return config.length + MOST_BEYOND * config.until_sentence_end


def first_end(text: str, before: int, endings: Sequence[Ending]) -> End | None:
    """The end in `text`, before which `before` characters stand, that was known first."""
    ends = (each.find(text, before) for each in endings)
    return min((end for end in ends if end is not None), default=None)


def until_end(
    pieces: Iterator[str],
    endings: Sequence[Ending],
    at_limit: Callable[[], object] = lambda: None,
) -> Iterator[str]:
    """Yield a text's pieces up to where it ends.

    Characters that may belong to its end are held back until this is known.

    Args:
        at_limit: called if there are no more pieces, and the text has not ended.
    """
    waiting, before = "", 0
    for piece in pieces:
        waiting += piece
        end = first_end(waiting, before, endings)
        if end is not None:
            waiting = waiting[: end.at]
            break
        shown = len(waiting) - max((each.waiting(waiting) for each in endings), default=0)
        if shown:
            yield waiting[:shown]
            waiting, before = waiting[shown:], before + shown
    else:
        at_limit()
    if waiting:
        yield waiting
