"""The spans that a text is split into."""

import math
from dataclasses import dataclass
from fractions import Fraction

from charlm.config import DataConfig
from charlm.errors import CorpusError, look_up

Span = tuple[int, int]


@dataclass(frozen=True)
class Splits:
    """Contiguous spans of a text, [start, stop), in this order; val and test may be empty."""

    train: Span
    val: Span
    test: Span

    @classmethod
    def of(cls, characters: int, config: DataConfig) -> "Splits":
        """Split a text of this length.

        Raises:
            CorpusError: a span that is asked for would have fewer than two characters, one to
                read and one to predict.
        """
        splits = cls._cut(characters, config)
        if not splits._usable(config):
            # From here on every length will do, whatever the rounding; the least such is near.
            val, test = config.val_fraction, config.test_fraction
            least = [2 / (1 - val - test)]
            least += [1 / val] if val else []
            least += [(2 if val else 1) / test] if test else []
            needed = math.ceil(max(least)) + 1
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
    def _cut(cls, characters: int, config: DataConfig) -> "Splits":
        # As decimal fractions, so that 0.9 · n falls short of no whole number.
        val, test = Fraction(str(config.val_fraction)), Fraction(str(config.test_fraction))
        train_stop = math.floor(characters * (1 - val - test))
        val_stop = characters - math.floor(characters * test) if val else train_stop
        train_stop = max(train_stop, val_stop - config.val_characters)
        train = (0, min(train_stop, config.train_characters or train_stop))
        return cls(train, (train_stop, val_stop), (val_stop, characters))

    def _usable(self, config: DataConfig) -> bool:
        asked = [self.train]
        asked += [self.val] if config.val_fraction else []
        asked += [self.test] if config.test_fraction else []
        return all(stop - start >= 2 for start, stop in asked)

    @property
    def held_out(self) -> str:
        """The split that a result is reported on: test, else val, else, for want of any, train."""
        return next((name for name in ("test", "val") if self.size(name)), "train")

    def span(self, name: str) -> Span:
        """The span called train, val or test, or all of the text."""
        spans: dict[str, Span] = {
            **vars(self),
            "all": (0, max(self.train[1], self.val[1], self.test[1])),
        }
        return look_up(spans, name, "split")

    def size(self, name: str) -> int:
        start, stop = self.span(name)
        return stop - start

    def of_text(self, text: str, name: str) -> str:
        start, stop = self.span(name)
        return text[start:stop]


def count(number: int, one: str = "character", many: str = "") -> str:
    """A number and what it counts, of which there may be one."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
