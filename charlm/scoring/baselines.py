"""Baselines for a network to beat: scores of models that are no networks, on the same split.

Each scores the tokens of `held_out` after the first, as `exact.py` does: of a very long text those
of its beginning.
"""

import lzma
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from charlm.scoring.cross_entropy import SCORES, TokenCrossEntropy
from charlm.text.mapped_ids import TokenIds
from charlm.text.vocabulary import Ids, Vocabulary

# To take seconds, baselines read at most so many tokens, from the end of the training text, and
# score at most so many, from the beginning of what is held out.
MOST_TOKENS = 4_000_000
BLOCK = 1024

# The same of "ppm" where it is not compiled, and some hundred times slower.
MOST_UNCOMPILED = 40_000

# xz is far ahead if its score is below this share of the best other one.
FAR_AHEAD = 0.8


def copying_is_far_ahead(scores: Mapping[str, TokenCrossEntropy]) -> bool:
    """Whether xz is far ahead, because held-out text repeats long passages that it can copy."""
    # What "ppm" copies is no sign of the opposite.
    others = [score.loss for name, score in scores.items() if name not in ("xz", "ppm")]
    return "xz" in scores and scores["xz"].loss < FAR_AHEAD * min(others)


def baselines(
    train: TokenIds, held_out: TokenIds, vocabulary: Vocabulary, order: int = 6
) -> dict[str, TokenCrossEntropy]:
    """Scores of all baselines, by name.

    Args:
        order: tokens in an n-gram, the predicted one included.
    """
    from charlm.mixing.arithmetic import is_compiled  # which imports numba

    train, held_out = np.asarray(train[-MOST_TOKENS:]), np.asarray(held_out[:MOST_TOKENS])
    mark = vocabulary.document_id
    nats = {
        "uniform": uniform(held_out, len(vocabulary)),
        "unigram": ngram(train, held_out, len(vocabulary), 1),
        f"{order}-gram": ngram(train, held_out, len(vocabulary), order, mark),
        "xz": xz(vocabulary.decode(train), vocabulary.decode(held_out)),
    }
    if is_compiled() or len(train) + len(held_out) <= MOST_UNCOMPILED:
        nats["ppm"] = ppm(train, held_out, len(vocabulary), mark)
    score = SCORES[vocabulary.units]
    return {name: score(each, len(held_out) - 1) for name, each in nats.items()}


def uniform(held_out: Ids, vocabulary_size: int) -> float:
    """The nats of a text if every entry of the vocabulary is equally probable."""
    return (len(held_out) - 1) * math.log(vocabulary_size)


def ngram(
    train: Ids, held_out: Ids, vocabulary_size: int, order: int, document_id: int = 0
) -> float:
    """The nats of a text under `ngram_probabilities`."""
    probabilities = ngram_probabilities(train, held_out, vocabulary_size, order, document_id)
    return float(-np.log(probabilities[1:]).sum())


def ngram_probabilities(
    train: Ids, held_out: Ids, vocabulary_size: int, order: int, document_id: int = 0
) -> npt.NDArray[np.float64]:
    """Probability of each token of `held_out` given those before it, (tokens,).

    This is an interpolated n-gram model with the smoothing of Witten & Bell 1991 (see Chen &
    Goodman 1998): p_k(c | h) = (N(h c) + D(h) p_{k-1}(c | h')) / (N(h) + D(h)), where N counts
    occurrences in `train`, D(h) is the number of distinct tokens seen after h, h' is h without
    its first token, and p_0 is uniform.

    Args:
        order: tokens in an n-gram, the predicted one included.
        document_id: of the mark between documents, before which no context reaches; 0: none.
    """
    parts = []
    # Counting anew for each part bounds the memory. Each part begins with its context.
    for start in range(0, len(held_out), MOST_TOKENS):
        context = min(start, order - 1)
        part = held_out[start - context : start + MOST_TOKENS]
        found = interpolated(train, part, vocabulary_size, order, document_id)
        parts.append(found[context:])
    return np.concatenate(parts) if parts else np.empty(0)


def interpolated(
    train: Ids, held_out: Ids, vocabulary_size: int, order: int, document_id: int = 0
) -> npt.NDArray[np.float64]:
    """`ngram_probabilities` for all of `held_out` at once."""
    ids = np.concatenate([train, held_out])
    probabilities = np.full(len(held_out), 1 / vocabulary_size)
    marks = np.flatnonzero(ids == document_id) if document_id else ids[:0]
    # For each position a number that stands for its context, the k - 1 tokens before it.
    contexts = np.zeros(len(ids), dtype=np.int32)
    for k in range(1, order + 1):
        fits = (len(ids) + 1) * vocabulary_size <= np.iinfo(np.int32).max
        wide: npt.NDArray[np.signedinteger] = contexts.astype(np.int32 if fits else np.int64)
        wide *= vocabulary_size
        wide += ids
        grams = renumber(wide)
        # Contexts do not reach from the held-out text into the training text, as for the network.
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
        # After a mark the context is that mark, whatever came before it.
        grams[marks] = grams[marks[:1]]
        contexts = np.concatenate([grams[:1] * 0, grams[:-1]])
    return probabilities


def ppm(train: Ids, held_out: Ids, vocabulary_size: int, document_id: int = 0) -> float:
    """The nats of a text under what `charlm.mixing` mixes with a network, without one.

    It learns as it reads, as PPM with contexts of unbounded length does (Cleary & Teahan 1997): of
    up to six tokens by counts, and beyond by the longest match.
    """
    from charlm.mixing.mixture import Mixture

    mixture = Mixture(vocabulary_size, [len(held_out)], train, document_id)
    nats = 0.0
    for token in held_out[:1].tolist():
        mixture.read(token)
    for start in range(1, len(held_out), BLOCK):
        ids = held_out[start : start + BLOCK]
        # A network that knows nothing.
        logs = np.full((len(ids), vocabulary_size), -math.log(vocabulary_size))
        nats += float(mixture.score(logs, ids).sum())
    return nats


def renumber(values: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.int32]:
    """Number the distinct values 0, 1, 2, …, in ascending order.

    This is the inverse that `np.unique` returns, in less memory; `values` are sorted in place.
    """
    order = np.argsort(values)
    values[:] = values[order]
    begins = values[1:] != values[:-1]
    numbers = np.empty(len(values), dtype=np.int32)
    numbers[order[:1]] = 0
    numbers[order[1:]] = np.cumsum(begins, dtype=np.int32)
    return numbers


def xz(train: str, held_out: str) -> float:
    """What `held_out` adds to the compressed size of `train` under xz -9e, in nats."""

    def size(text: str) -> int:
        data = text.encode("utf-8", "surrogatepass")
        # xz takes eleven times the dictionary's size in memory; larger than the text is of no use.
        dictionary = min(max(1 << len(data).bit_length(), 4096), 64 << 20)
        preset = 9 | lzma.PRESET_EXTREME
        filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]
        return len(lzma.compress(data, filters=filters))

    extra_bytes = size(train + held_out) - size(train)
    return extra_bytes * 8 * math.log(2)
