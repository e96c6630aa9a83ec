"""Scores beside the exact one: settings and results."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charlm.config import Config, setting


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
        surprise: -ln p of each token after the first, in nats, (tokens - 1,).
        config: the settings that were used.
    """

    surprise: npt.NDArray[np.float64]
    config: DynamicConfig


@dataclass(frozen=True)
class Mixed:
    """The result of mixing in what was read, as of `charlm.mixing`.

    Args:
        surprise: -ln p of each token after the first, in nats, (tokens - 1,).
        weights: at the end, for all tokens, of the network, the n-gram models of the training text
            and of the text so far, and the longest match.
    """

    surprise: npt.NDArray[np.float64]
    weights: tuple[float, ...]

    def to_json(self) -> dict[str, float]:
        """The weights, by what they are of."""
        names = ("network", "training_text", "text_so_far", "match")
        return {f"weight_of_{name}": each for name, each in zip(names, self.weights, strict=True)}


@dataclass(frozen=True)
class Choice:
    """A temperature for the network's softmax, and the weight of the n-gram model."""

    temperature: float = 1.0
    ngram_weight: float = 0.0


@dataclass(frozen=True)
class Calibrated:
    """The result of calibration: a score with a temperature and an n-gram weight.

    Args:
        nats: of all tokens after the first.
        order: order of the n-gram model, which counts the run's training split.
        choice: the choice that is best on the whole validation split.
        halves: if that split is what was scored, the choices that its two halves were scored with,
            each the best on the other half; otherwise empty.
    """

    nats: float
    order: int
    choice: Choice
    halves: tuple[Choice, ...] = ()
