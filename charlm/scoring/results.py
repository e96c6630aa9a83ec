"""Scoring a text with a run, and what the score is made of."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import Config, setting
from charlm.scoring.cross_entropy import CrossEntropy


@dataclass(frozen=True)
class LineScore:
    """The score of one line, its line end included; `number` counts from 1."""

    number: int
    text: str
    score: CrossEntropy


@dataclass(frozen=True)
class DynamicConfig(Config):
    """How the weights follow. The defaults were chosen on texts that no reported score is of."""

    rate: float = setting(1e-4, "Step along the gradient; 0: the static score.", minimum=0)
    decay: float = setting(1e-3, "Step back to the trained weights.", minimum=0, maximum=1)
    window: int = setting(25, "Characters scored between two steps.", minimum=1)


@dataclass(frozen=True)
class Dynamic:
    """What the same characters cost while the weights followed the text, and how they followed."""

    surprise: npt.NDArray[np.float64]
    config: DynamicConfig

    @property
    def score(self) -> CrossEntropy:
        return CrossEntropy(float(self.surprise.sum()), len(self.surprise))


@dataclass(frozen=True)
class Choice:
    """A temperature of the network, and a share of the n-gram model."""

    temperature: float = 1.0
    ngram_weight: float = 0.0


@dataclass(frozen=True)
class Calibrated:
    """What the same characters cost with a temperature and a share of an n-gram model.

    Args:
        order: of the n-gram model, which has counted the run's training split.
        choice: the best on the whole validation split.
        halves: where that split is itself what was scored, the choices that its two halves were
            scored with, each the best on the other half; else none.
    """

    score: CrossEntropy
    order: int
    choice: Choice
    halves: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """A scored text.

    Args:
        corpus: its name.
        split: train, val or test of the run's own corpus, else "all".
        text: what was scored, after normalization and the policy for unknown characters.
        surprise: -ln p of each character of `text` after the first, in nats.
        unknown_characters: how many the vocabulary lacks.
        bytes_read: how many, for the characters after the first; None where nobody can tell, or a
            normalization changed them.
        dynamic, calibrated: other scores of the same characters, where they were asked for.
        notes: sentences that whoever reads the score should see.
    """

    corpus: str
    split: str
    text: str
    surprise: npt.NDArray[np.float64]
    unknown_characters: int
    bytes_read: int | None
    dynamic: Dynamic | None = None
    calibrated: Calibrated | None = None
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> CrossEntropy:
        return CrossEntropy(float(self.surprise.sum()), len(self.surprise))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits for each byte that was read; None where that is not known, or a character is not."""
        return self.bits_per_byte_of(self.score)

    def bits_per_byte_of(self, score: CrossEntropy) -> float | None:
        """The same for another score of the same characters."""
        if self.unknown_characters or not self.bytes_read:
            return None
        return score.bits_per(self.bytes_read)

    @property
    def scores(self) -> dict[str, CrossEntropy]:
        """The static score, and the others that were asked for, by name."""
        others = {"dynamic": self.dynamic, "calibrated": self.calibrated}
        return {"static": self.score, **{name: each.score for name, each in others.items() if each}}

    @property
    def lines(self) -> list[LineScore]:
        """The score line by line; the very first character, which nothing predicts, is in none."""
        lines, start = [], 0
        for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", self.text), 1):
            span = self.surprise[max(start - 1, 0) : start + len(line) - 1]
            lines.append(
                LineScore(
                    number, line.removesuffix("\n"), CrossEntropy(float(span.sum()), len(span))
                )
            )
            start += len(line)
        return lines

    def to_json(self) -> dict[str, Any]:
        """The static score, and one object for each of the others."""
        content: dict[str, Any] = {
            "corpus": self.corpus,
            "split": self.split,
            **self.score.to_json(),
            "bits_per_byte": self.bits_per_byte,
            "unknown_characters": self.unknown_characters,
        }
        for name, score in list(self.scores.items())[1:]:
            content[name] = {**score.to_json(), "bits_per_byte": self.bits_per_byte_of(score)}
        if self.dynamic:
            content["dynamic"] |= self.dynamic.config.to_json()
        if self.calibrated:
            made = self.calibrated
            content["calibrated"] |= {
                "order": made.order,
                "chosen_on": "val",
                **vars(made.choice),
                "two_fold": bool(made.halves),
                "halves": [dict(vars(half)) for half in made.halves],
            }
        return content
