"""A vocabulary that grows: a run that starts from another one learns what that one lacks."""

from collections.abc import Mapping

import numpy as np

from charlm.config import ModelConfig
from charlm.files.whole import Arrays
from charlm.rnn.weights import model_shapes
from charlm.text.vocabulary import Vocabulary


def grown_vocabulary(
    vocabulary: Vocabulary, counts: Mapping[str, int], min_count: int
) -> Vocabulary:
    """The vocabulary, and after its entries those of a text that it lacks, by frequency.

    Args:
        counts: how often each token occurs in the training split of the run that starts from
            another one.
        min_count: what is rarer stays `<unk>`.
    """
    added = Vocabulary.of_counts(vocabulary.unknown_of(counts), vocabulary.units, min_count)
    return Vocabulary(
        (*vocabulary.entries, *added.entries),
        (*vocabulary.counts, *added.counts),
        vocabulary.unknown_count,
        vocabulary.units,
    )


def grown_weights(weights: Mapping[str, np.ndarray], config: ModelConfig) -> Arrays:
    """A model's weights, with those of new entries at the mean of the others' but `<unk>`'s.

    All that were there stay as they are, bit for bit.

    Args:
        weights: of the smaller vocabulary, by name.
        config: with the size of the larger one.
    """
    return {name: grown(weights[name], shape) for name, shape in model_shapes(config)}


def grown(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A weight of this shape, which differs from the one that is there along one axis at most."""
    for axis, (size, wanted) in enumerate(zip(weight.shape, shape, strict=True)):
        if size < wanted:
            known = weight.take(range(1, size), axis)
            mean = known.mean(axis, keepdims=True, dtype=np.float64).astype(weight.dtype)
            return np.concatenate([weight, mean.repeat(wanted - size, axis)], axis)
    return weight
