"""The results of scoring a text with a run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import Config, setting
from charlm.html.notebook import HasSections
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.sections import Facts, Grid, Section
from charlm.text.splits import count


@dataclass(frozen=True)
class LineScore:
    """The score of one line, its line end included; `number` counts from 1."""

    number: int
    text: str
    score: CrossEntropy


@dataclass(frozen=True)
class DynamicConfig(Config):
    """Settings of dynamic evaluation, with defaults chosen on texts that no reported score uses."""

    rate: float = setting(1e-4, "Step along the gradient; 0: the static score.", minimum=0)
    decay: float = setting(1e-3, "Step back to the trained weights.", minimum=0, maximum=1)
    window: int = setting(25, "Characters scored between two steps.", minimum=1)


@dataclass(frozen=True)
class Dynamic:
    """The result of dynamic evaluation.

    Args:
        surprise: -ln p of each character after the first, in nats, (characters - 1,).
        config: the settings that were used.
    """

    surprise: npt.NDArray[np.float64]
    config: DynamicConfig

    @property
    def score(self) -> CrossEntropy:
        """The cross-entropy of all characters."""
        return CrossEntropy(float(self.surprise.sum()), len(self.surprise))


@dataclass(frozen=True)
class Choice:
    """A temperature for the network's softmax, and the weight of the n-gram model."""

    temperature: float = 1.0
    ngram_weight: float = 0.0


@dataclass(frozen=True)
class Calibrated:
    """The result of calibration: a score with a temperature and an n-gram weight.

    Args:
        order: order of the n-gram model, which counts the run's training split.
        choice: the choice that is best on the whole validation split.
        halves: if that split is what was scored, the choices that its two halves were scored with,
            each the best on the other half; otherwise empty.
    """

    score: CrossEntropy
    order: int
    choice: Choice
    halves: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Evaluation(HasSections):
    """The result of scoring a text.

    Args:
        corpus: name of the text.
        split: "train", "val" or "test" of the run's own corpus, else "all".
        text: what was scored, after normalization and the policy for unknown characters.
        surprise: -ln p of each character of `text` after the first, in nats, (characters - 1,).
        unknown_characters: number of characters that the vocabulary lacks.
        bytes_read: size of the characters after the first, as they were read; None if unknown or
            changed by normalization.
        dynamic, calibrated: other scores of the same characters, if they were asked for.
        notes: sentences to show along with the score.
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
        """The static cross-entropy of all characters."""
        return CrossEntropy(float(self.surprise.sum()), len(self.surprise))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte that was read; None if `bytes_read` or a character is unknown."""
        return self.bits_per_byte_of(self.score)

    def bits_per_byte_of(self, score: CrossEntropy) -> float | None:
        """`bits_per_byte` for another score of the same characters."""
        if self.unknown_characters or not self.bytes_read:
            return None
        return score.bits_per(self.bytes_read)

    @property
    def scores(self) -> dict[str, CrossEntropy]:
        """The static score and any others that were asked for, by name."""
        others = {"dynamic": self.dynamic, "calibrated": self.calibrated}
        return {"static": self.score, **{name: each.score for name, each in others.items() if each}}

    @property
    def lines(self) -> list[LineScore]:
        """The score line by line; the very first character, which is not predicted, is in none."""
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

    @property
    def remarks(self) -> Iterator[str]:
        """Sentences on how the dynamic and the calibrated score were made."""
        if self.dynamic:
            config = self.dynamic.config
            yield (
                f"dynamic: after every {count(config.window)} the weights take a step; rate "
                f"{config.rate:g}, decay {config.decay:g}. The run stays as it is."
            )
        if self.calibrated:
            made = self.calibrated
            halves = [
                f"temperature {each.temperature:g} and {each.ngram_weight:.1%} of the "
                f"{made.order}-gram model"
                for each in made.halves or (made.choice,)
            ]
            if made.halves:
                yield (
                    f"calibrated: the first half with {halves[0]}, the second with {halves[1]}, "
                    "each chosen on the other half."
                )
            else:
                yield f"calibrated: {halves[0]}, chosen on the validation split."

    def sections(self, run: str | None = None) -> Iterator[Section]:
        """What there is to say of a run on this text."""
        score = self.score
        yield Facts(
            [
                *([("run", run)] if run else []),
                ("text", f"{self.corpus} ({self.split})"),
                ("characters scored", score.characters),
                ("unknown characters", self.unknown_characters),
                ("nats per character", score.nats_per_character),
                ("perplexity", score.perplexity),
                ("bits per character", score.bits_per_character),
                ("bits per byte", self.bits_per_byte),
            ]
        )
        if len(self.scores) > 1:
            rows = [
                (
                    name,
                    each.nats_per_character,
                    each.perplexity,
                    each.bits_per_character,
                    self.bits_per_byte_of(each),
                )
                for name, each in self.scores.items()
            ]
            yield Grid(("score", "nats/char", "perplexity", "bits/char", "bits/byte"), rows)
            yield from self.remarks

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
