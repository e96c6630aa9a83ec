"""Cross-entropy, the score of a language model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from charlm.scoring.score import Figure


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of a span of characters; those of disjoint spans can be added.

    Args:
        nats: sum of -ln p over the characters.
        characters: number of predicted characters.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("perplexity", "perplexity", "ppl"),
        Figure("bits_per_character", "bits/char", "bpc"),
    )

    nats: float = 0.0
    characters: int = 0

    def __add__(self, other: "CrossEntropy") -> "CrossEntropy":
        return CrossEntropy(self.nats + other.nats, self.characters + other.characters)

    @property
    def loss(self) -> float:
        """Nats per character."""
        return self.nats_per_character

    @property
    def is_finite(self) -> bool:
        """Whether the perplexity is finite."""
        return math.isfinite(self.perplexity)

    @property
    def nats_per_character(self) -> float:
        """Mean of -ln p; NaN if nothing was predicted."""
        return self.nats / self.characters if self.characters else math.nan

    @property
    def perplexity(self) -> float:
        """exp(nats / characters); infinite if too large for a float."""
        try:
            return math.exp(self.nats_per_character)
        except OverflowError:
            return math.inf

    @property
    def bits_per_character(self) -> float:
        """nats / (characters · ln 2)."""
        return self.nats_per_character / math.log(2)

    def bits_per(self, units: int) -> float:
        """Bits per unit, if the same characters take up `units` of another kind, such as bytes."""
        return self.nats / math.log(2) / units if units else math.nan

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CrossEntropy":
        """The inverse of `to_json`; in files, None stands for a number that is not finite."""
        nats = values["nats"]
        return cls(math.nan if nats is None else nats, values["characters"])

    def to_json(self) -> dict[str, float | int]:
        return {
            "characters": self.characters,
            "nats": self.nats,
            "nats_per_character": self.nats_per_character,
            "perplexity": self.perplexity,
            "bits_per_character": self.bits_per_character,
        }
