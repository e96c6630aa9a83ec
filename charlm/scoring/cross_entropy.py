"""The score of a language model: what its predictions of characters cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from charlm.scoring.score import Figure


@dataclass(frozen=True)
class CrossEntropy:
    """The cost of predicting some characters; it adds up over disjoint spans.

    Args:
        nats: sum of -ln p over the characters.
        characters: how many were predicted.
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
        """Whether the perplexity is a number."""
        return math.isfinite(self.perplexity)

    @property
    def nats_per_character(self) -> float:
        """Cross-entropy; NaN where nothing was predicted."""
        return self.nats / self.characters if self.characters else math.nan

    @property
    def perplexity(self) -> float:
        """exp(nats / characters); infinite where a float cannot hold it."""
        try:
            return math.exp(self.nats_per_character)
        except OverflowError:
            return math.inf

    @property
    def bits_per_character(self) -> float:
        """nats / (characters · ln 2)."""
        return self.nats_per_character / math.log(2)

    def bits_per(self, units: int) -> float:
        """Bits for each of `units` other units that spell the same characters, such as bytes."""
        return self.nats / math.log(2) / units if units else math.nan

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CrossEntropy":
        """The inverse of `to_json`, also after a file, where what was not finite is None."""
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
