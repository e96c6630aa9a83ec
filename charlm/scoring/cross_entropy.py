"""Cross-entropy, the score of a language model: of characters, words or bytes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from charlm.scoring.score import Figure, stored_count, stored_number
from charlm.text.tokens import BYTES, CHARACTERS, WORDS


@dataclass(frozen=True)
class TokenCrossEntropy:
    """Cross-entropy of a span of tokens; those of disjoint spans can be added.

    Args:
        nats: sum of -ln p over the tokens.
        tokens: number of predicted tokens.
    """

    # What a token is: its name, and a shorter one for headings.
    item: ClassVar[str]
    short: ClassVar[str]
    figures: ClassVar[tuple[Figure, ...]]

    nats: float = 0.0
    tokens: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.nats + other.nats, self.tokens + other.tokens)

    @property
    def loss(self) -> float:
        """Nats per token: the mean of -ln p; NaN if nothing was predicted."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def is_finite(self) -> bool:
        """Whether the perplexity is finite."""
        return math.isfinite(self.perplexity)

    @property
    def perplexity(self) -> float:
        """exp(nats / tokens); infinite if too large for a float."""
        return exp(self.loss)

    @property
    def bits(self) -> float:
        """Bits per token: nats / (tokens · ln 2)."""
        return self.loss / math.log(2)

    def bits_per(self, units: int) -> float:
        """Bits per unit, if the same tokens take up `units` of another kind, such as bytes."""
        return self.nats / math.log(2) / units if units else math.nan

    def perplexity_per(self, units: int) -> float:
        """exp(nats / units), if the same tokens take up `units` of another kind."""
        return exp(self.nats / units) if units else math.nan

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; in files, None stands for a number that is not finite."""
        return cls(stored_number(values, "nats"), stored_count(values, f"{cls.item}s"))

    def to_json(self) -> dict[str, float | int]:
        return {
            f"{self.item}s": self.tokens,
            "nats": self.nats,
            f"nats_per_{self.item}": self.loss,
            "perplexity": self.perplexity,
            f"bits_per_{self.item}": self.bits,
        }


def exp(nats: float) -> float:
    """e to this power; infinite if too large for a float."""
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def figures_per(item: str, short: str, abbreviation: str) -> tuple[Figure, ...]:
    """Perplexity, and bits per item."""
    return (
        Figure("perplexity", "perplexity", "ppl"),
        Figure(f"bits_per_{item}", f"bits/{short}", abbreviation),
    )


class CrossEntropy(TokenCrossEntropy):
    """Cross-entropy of characters."""

    item, short = "character", "char"
    figures = figures_per("character", "char", "bpc")

    @property
    def characters(self) -> int:
        """Number of predicted characters."""
        return self.tokens

    @property
    def nats_per_character(self) -> float:
        """Mean of -ln p; NaN if nothing was predicted."""
        return self.loss

    @property
    def bits_per_character(self) -> float:
        """nats / (characters · ln 2)."""
        return self.bits


class WordCrossEntropy(TokenCrossEntropy):
    """Cross-entropy of words, marks and white space, as `--units words` reads a text."""

    item, short = "word", "word"
    figures = figures_per("word", "word", "bpw")


class ByteCrossEntropy(TokenCrossEntropy):
    """Cross-entropy of bytes."""

    item, short = "byte", "byte"
    figures = figures_per("byte", "byte", "bpB")


SCORES: Mapping[str, type[TokenCrossEntropy]] = {
    CHARACTERS: CrossEntropy,
    WORDS: WordCrossEntropy,
    BYTES: ByteCrossEntropy,
}
