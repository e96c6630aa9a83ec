"""What the same split costs models that are no networks: what a network has to beat.

Each returns the Score of every character of `held_out` after the first, as `exact.py` does.
"""

import lzma
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from charlm.scoring.cross_entropy import CrossEntropy
from charlm.text.vocabulary import Ids, Vocabulary

# Of a longer training text the baselines read the end only, so that they take seconds.
MOST_CHARACTERS = 4_000_000

# xz has to be so much below the best of the others: its score is at most this share of theirs.
FAR_AHEAD = 0.8


def copying_is_far_ahead(scores: Mapping[str, CrossEntropy]) -> bool:
    """Whether the held-out text repeats long passages, which xz copies and a model has to learn."""
    others = [score.nats for name, score in scores.items() if name != "xz"]
    return "xz" in scores and scores["xz"].nats < FAR_AHEAD * min(others)


def baselines(
    train: Ids, held_out: Ids, vocabulary: Vocabulary, order: int = 6
) -> dict[str, CrossEntropy]:
    """The scores of all of them, by name."""
    train = train[-MOST_CHARACTERS:]
    return {
        "uniform": uniform(held_out, len(vocabulary)),
        "unigram": ngram(train, held_out, len(vocabulary), 1),
        f"{order}-gram": ngram(train, held_out, len(vocabulary), order),
        "xz": xz(vocabulary.decode(train), vocabulary.decode(held_out)),
    }


def uniform(held_out: Ids, vocabulary_size: int) -> CrossEntropy:
    """Every entry of the vocabulary as probable as any other."""
    predicted = len(held_out) - 1
    return CrossEntropy(predicted * math.log(vocabulary_size), predicted)


def ngram(train: Ids, held_out: Ids, vocabulary_size: int, order: int) -> CrossEntropy:
    """The score of the model of `ngram_probabilities`."""
    probabilities = ngram_probabilities(train, held_out, vocabulary_size, order)
    return CrossEntropy(float(-np.log(probabilities[1:]).sum()), len(held_out) - 1)


def ngram_probabilities(
    train: Ids, held_out: Ids, vocabulary_size: int, order: int
) -> npt.NDArray[np.float64]:
    """p of each character of `held_out` given those of it before, (characters,).

    Interpolated n-gram model, smoothed as by Witten & Bell 1991 (see Chen & Goodman 1998).

    p_k(c | h) = (N(h c) + D(h) p_{k-1}(c | h')) / (N(h) + D(h)), where N counts in `train`, D(h) is
    the number of distinct characters seen after h, h' is h without its first character, and p_0 is
    uniform.

    Args:
        order: characters in an n-gram, the predicted one included.
    """
    parts = []
    # Counted anew for each part, so that memory is bounded; a part begins with its context.
    for start in range(0, len(held_out), MOST_CHARACTERS):
        context = min(start, order - 1)
        part = held_out[start - context : start + MOST_CHARACTERS]
        parts.append(interpolated(train, part, vocabulary_size, order)[context:])
    return np.concatenate(parts) if parts else np.empty(0)


def interpolated(
    train: Ids, held_out: Ids, vocabulary_size: int, order: int
) -> npt.NDArray[np.float64]:
    """`ngram_probabilities`, all at once."""
    ids = np.concatenate([train, held_out])
    probabilities = np.full(len(held_out), 1 / vocabulary_size)
    # Number, for each position, of the k - 1 characters before it: equal contexts, equal numbers.
    contexts = np.zeros(len(ids), dtype=np.int32)
    for k in range(1, order + 1):
        fits = (len(ids) + 1) * vocabulary_size <= np.iinfo(np.int32).max
        wide: npt.NDArray[np.signedinteger] = contexts.astype(np.int32 if fits else np.int64)
        wide *= vocabulary_size
        wide += ids
        grams = renumber(wide)
        # The held-out text's first characters are predicted from itself alone, as by the network.
        known = slice(k - 1, len(train))
        inside = slice(len(train) + k - 1, None)
        gram_counts = np.bincount(grams[known], minlength=grams.max() + 1)
        context_counts = np.bincount(contexts[known], minlength=contexts.max() + 1)
        context_of = np.zeros(len(gram_counts), dtype=np.int32)
        context_of[grams] = contexts
        distinct = np.bincount(context_of[gram_counts > 0], minlength=len(context_counts))
        h, g = contexts[inside], grams[inside]
        lower = probabilities[k - 1 :]
        total = context_counts[h] + distinct[h]
        seen = total > 0
        lower[seen] = (gram_counts[g] + distinct[h] * lower)[seen] / total[seen]
        contexts = np.concatenate([grams[:1] * 0, grams[:-1]])
    return probabilities


def renumber(values: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.int32]:
    """The same partition of positions, numbered from 0 without gaps.

    np.unique's inverse, in less memory; the values are lost.
    """
    order = np.argsort(values)
    values[:] = values[order]
    begins = values[1:] != values[:-1]
    numbers = np.empty(len(values), dtype=np.int32)
    numbers[order[:1]] = 0
    numbers[order[1:]] = np.cumsum(begins, dtype=np.int32)
    return numbers


def xz(train: str, held_out: str) -> CrossEntropy:
    """What `held_out` adds to the size of `train` under xz -9e, in nats."""

    def size(text: str) -> int:
        data = text.encode("utf-8", "surrogatepass")
        # A dictionary larger than the text would take memory, eleven times its size, for nothing.
        dictionary = min(max(1 << len(data).bit_length(), 4096), 64 << 20)
        preset = 9 | lzma.PRESET_EXTREME
        filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]
        return len(lzma.compress(data, filters=filters))

    extra_bytes = size(train + held_out) - size(train)
    return CrossEntropy(extra_bytes * 8 * math.log(2), len(held_out) - 1)
