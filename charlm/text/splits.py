"""Splitting a text into training, validation and test spans."""

import math
from dataclasses import dataclass
from fractions import Fraction

from charlm.config import TextConfig
from charlm.errors import CorpusError, look_up

Span = tuple[int, int]


@dataclass(frozen=True)
class Splits:
    """Spans [start, stop) of a text, in characters and in this order; val and test may be empty."""

    train: Span
    val: Span
    test: Span

    @classmethod
    def of(cls, characters: int, config: TextConfig) -> "Splits":
        """Split a text of so many characters.

        Raises:
            CorpusError: a split would have fewer than two characters, one to read and one to
                predict.
        """
        splits = cls._cut(characters, config)
        if not splits._usable(config):
            # Any text longer than this bound will do, whatever the rounding; search down from it.
            val, test = config.val_fraction, config.test_fraction
            minimums = [2 / (1 - val - test)]
            minimums += [1 / val] if val else []
            minimums += [(2 if val else 1) / test] if test else []
            needed = math.ceil(max(minimums)) + 1
            while needed - 1 > characters and cls._cut(needed - 1, config)._usable(config):
                needed -= 1
            held_out = {"--val-fraction": val, "--test-fraction": test}
            options = " and ".join(name for name, share in held_out.items() if share)
            raise CorpusError(
                f"The text has {count(characters)}; training needs at least {needed:,}.",
                "Give a longer text" + (f", or hold out less with {options}." if options else "."),
            )
        return splits

    @classmethod
    def _cut(cls, characters: int, config: TextConfig) -> "Splits":
        # Exact decimal fractions: as a float, 0.9 · n may fall just short of a whole number.
        val, test = Fraction(str(config.val_fraction)), Fraction(str(config.test_fraction))
        train_stop = math.floor(characters * (1 - val - test))
        val_stop = characters - math.floor(characters * test) if val else train_stop
        train_stop = max(train_stop, val_stop - config.val_characters)
        train = (0, min(train_stop, config.train_characters or train_stop))
        return cls(train, (train_stop, val_stop), (val_stop, characters))

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
        """Number of characters in a split."""
        start, stop = self.span(name)
        return stop - start

    def of_text(self, text: str, name: str) -> str:
        """The part of `text` that belongs to a split."""
        start, stop = self.span(name)
        return text[start:stop]


def count(number: int, one: str = "character", many: str = "") -> str:
    """A number with its noun, such as "1 character" or "2,000 characters".

    Args:
        many: the plural, if it is not `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
