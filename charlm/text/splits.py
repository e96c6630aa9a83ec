"""Splitting a text into training, validation and test spans."""

import math
from dataclasses import dataclass
from fractions import Fraction

from charlm.config import TextConfig
from charlm.errors import CorpusError, look_up
from charlm.text.tokens import CHARACTERS, ITEMS, WORDS, written_words

Span = tuple[int, int]


@dataclass(frozen=True)
class Splits:
    """Spans [start, stop) of a text, in units and in this order; val and test may be empty.

    Where it is made of documents, neighbouring spans share the mark between them.
    """

    train: Span
    val: Span
    test: Span

    @classmethod
    def of(cls, size: int, config: TextConfig) -> "Splits":
        """Split a text of so many units.

        Raises:
            CorpusError: a split would have fewer than two units, one to read and one to predict.
        """
        splits = cls._cut(size, config)
        if not splits._usable(config):
            # Any text longer than this bound will do, whatever the rounding; search down from it.
            val, test = config.val_fraction, config.test_fraction
            minimums = [2 / (1 - val - test)]
            minimums += [1 / val] if val else []
            minimums += [(2 if val else 1) / test] if test else []
            needed = math.ceil(max(minimums)) + 1
            while needed - 1 > size and cls._cut(needed - 1, config)._usable(config):
                needed -= 1
            held_out = {"--val-fraction": val, "--test-fraction": test}
            options = " and ".join(name for name, share in held_out.items() if share)
            raise CorpusError(
                f"The text has {count(size, ITEMS[config.units])}; training needs at least "
                f"{needed:,}.",
                "Give a longer text" + (f", or hold out less with {options}." if options else "."),
            )
        return splits

    @classmethod
    def _cut(cls, size: int, config: TextConfig) -> "Splits":
        # Exact decimal fractions: as a float, 0.9 · n may fall just short of a whole number.
        val, test = Fraction(str(config.val_fraction)), Fraction(str(config.test_fraction))
        train_stop = math.floor(size * (1 - val - test))
        val_stop = size - math.floor(size * test) if val else train_stop
        train_stop = max(train_stop, val_stop - config.val_characters)
        train = (0, min(train_stop, config.train_characters or train_stop))
        return cls(train, (train_stop, val_stop), (val_stop, size))

    def _usable(self, config: TextConfig) -> bool:
        asked = [self.train]
        asked += [self.val] if config.val_fraction else []
        asked += [self.test] if config.test_fraction else []
        return all(stop - start >= 2 for start, stop in asked)

    @property
    def held_out(self) -> str:
        """Name of the split to report results on: test if there is one, else val, else train."""
        return next((name for name in ("test", "val") if self.size(name)), "train")

    def span(self, name: str) -> Span:
        """Span of the split "train", "val" or "test", or of "all" three."""
        spans: dict[str, Span] = {
            **vars(self),
            "all": (0, max(self.train[1], self.val[1], self.test[1])),
        }
        return look_up(spans, name, "split")

    def size(self, name: str) -> int:
        """Number of units in a split."""
        start, stop = self.span(name)
        return stop - start

    def of_text(self, text: str, name: str, units: str = CHARACTERS) -> str:
        """The part of `text` that belongs to a split."""
        return text[slice(*self.characters_of(text, name, units))]

    def characters_of(self, text: str, name: str, units: str = CHARACTERS) -> Span:
        """The span of a split in characters of `text`."""
        return span_in_characters(text, *self.span(name), units)


def span_in_characters(text: str, start: int, stop: int, units: str) -> Span:
    """A span of tokens in characters of `text`."""
    if units != WORDS:
        return start, stop
    words = written_words(text)
    before, inside = sum(map(len, words[:start])), sum(map(len, words[start:stop]))
    return before, before + inside


def count(number: int, one: str = "character", many: str = "") -> str:
    """A number with its noun, such as "1 character" or "2,000 characters".

    Args:
        many: the plural, if it is not `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
