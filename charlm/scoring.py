"""Scoring a text with a run, and what the score is made of."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.metrics import Score


@dataclass(frozen=True)
class LineScore:
    """The score of one line, its line end included; `number` counts from 1."""

    number: int
    text: str
    score: Score


@dataclass(frozen=True)
class Evaluation:
    """A scored text.

    Args:
        corpus: its name.
        split: train, val or test of the run's own corpus, else "all".
        text: what was scored, after normalization and the policy for unknown characters.
        surprise: -ln p of each character of `text` after the first, in nats.
        unknown_characters: how many the vocabulary lacks.
        lossless: `text` is what was read, so that its bytes mean something.
    """

    corpus: str
    split: str
    text: str
    surprise: npt.NDArray[np.float64]
    unknown_characters: int
    lossless: bool

    @property
    def score(self) -> Score:
        return Score(float(self.surprise.sum()), len(self.surprise))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits for each byte of UTF-8; None where something was normalized away or unknown."""
        if not self.lossless or self.unknown_characters or not len(self.surprise):
            return None
        return self.score.bits_per(len(self.text[1:].encode("utf-8", "surrogatepass")))

    @property
    def lines(self) -> list[LineScore]:
        """The score line by line; the very first character, which nothing predicts, is in none."""
        lines, start = [], 0
        for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", self.text), 1):
            span = self.surprise[max(start - 1, 0) : start + len(line) - 1]
            lines.append(
                LineScore(number, line.removesuffix("\n"), Score(float(span.sum()), len(span)))
            )
            start += len(line)
        return lines

    def to_json(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus,
            "split": self.split,
            **self.score.to_json(),
            "bits_per_byte": self.bits_per_byte,
            "unknown_characters": self.unknown_characters,
        }
