"""A run's model, computing the same on every machine, and its probabilities in whole numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.compression.arithmetic import Reproducible, exp_table
from charlm.config import ModelConfig
from charlm.generation.engine import Array
from charlm.generation.numpy_engine import NumpyEngine
from charlm.mixing.arithmetic import log_all
from charlm.mixing.mixture import Mixture

# The range coder's precision: the frequencies of all entries add up to this.
TOTAL = 1 << 24

Frequencies = npt.NDArray[np.int64]


class ReproducibleEngine(NumpyEngine):
    """The NumPy engine in reproducible arithmetic.

    Args:
        config: the model's configuration.
        weights: named as in `LanguageModel.weights`.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        super().__init__(config, {name: Reproducible.of(each) for name, each in weights.items()})
        self.output = Reproducible.of(self.output)
        self.output_bias = Reproducible.of(self.output_bias)

    def _table(self, vectors: Array | None) -> Array:
        # The layers are ready now, but for their class, which their transposition took off.
        self.layers = [
            {name: Reproducible.of(each) for name, each in layer.items()} for layer in self.layers
        ]
        return Reproducible.of(super()._table(vectors))

    def initial_state(self, texts: int) -> list[tuple[Array, ...]]:
        state = super().initial_state(texts)
        return [tuple(Reproducible.of(each) for each in layer) for layer in state]


def weights_of(logits: Array) -> Frequencies:
    """Whole numbers in proportion to the probabilities, up to 2^30, (N, V), from logits (N, V)."""
    plain = logits.view(np.ndarray)
    relative = exp_table()(plain - plain.max(axis=1, keepdims=True))
    return np.rint(relative * 2.0**30).astype(np.int64)


def weights_of_counts(counts: list[int]) -> Frequencies:
    """The same from how often each entry occurred in the training text, (1, V)."""
    shift = max(0, max(counts).bit_length() - 30)
    return np.array([[(each >> shift) + 1 for each in counts]], dtype=np.int64)


def mixed_weights(mixture: Mixture, text: int, weights: Frequencies) -> Frequencies:
    """Whole numbers in proportion to a mixture's probabilities, (V,).

    Args:
        text: which one of the mixture's texts goes on.
        weights: in proportion to the model's own probabilities, (V,).
    """
    probabilities = (weights + 1) / float(weights.sum() + len(weights))
    mixed = mixture.predict(log_all(probabilities), text)
    return np.rint(mixed * 2.0**30).astype(np.int64)


def frequencies(weights: Frequencies, unknown: npt.NDArray[Any]) -> Frequencies:
    """Frequencies (N, V), at least 1 each, that add up to TOTAL.

    Args:
        weights: in proportion to the probabilities, (N, V).
        unknown: the least frequency of `<unk>` in each row, (N,): how often the text itself has
            had characters that the run lacks, as far as it has been read.
    """
    V = weights.shape[1]
    own = weights[:, 0] * TOTAL // weights.sum(axis=1)
    first = np.clip(np.maximum(own, unknown), 1, TOTAL - V + 1)
    others = weights[:, 1:]
    shares = others * (TOTAL - first - V + 1)[:, None] // others.sum(axis=1, keepdims=True)
    found = np.concatenate([first[:, None], shares + 1], axis=1)
    # What rounding has left over goes to the most frequent.
    found[np.arange(len(found)), found.argmax(axis=1)] += TOTAL - found.sum(axis=1)
    return found
