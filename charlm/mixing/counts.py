"""An n-gram model that learns as it reads: how often each token followed each context.

A context of k tokens is found from that of the k - 1 tokens nearest to the prediction, so that all
contexts of a position are one path, and no two contexts are ever taken for one another.

A token is counted in its longest context, and in a shorter one only if it is new to all longer
ones. Shorter contexts then count in how many ways a token was preceded, as in the smoothing of
Kneser & Ney 1995; PPM calls it update exclusion (Moffat 1990).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charlm.mixing.arithmetic import compiled

ORDER = 6  # tokens in the longest context
# What is taken off every count, for tokens that did not follow: by the context's length, at most 2.
DISCOUNTS = (0.5, 0.6, 0.7)
# Tokens between two looks at whether there is room.
BLOCK = 1024
# To spread keys over the table; their product stays below 2^63.
MODULUS, FACTOR = 2_147_483_647, 1_103_515_245

Array = npt.NDArray[Any]


class Counts(NamedTuple):
    """Contexts, numbered from 0, the empty one; and of each a list of the tokens that followed it.

    Attributes:
        keys: a hash table (S,): keys of contexts, or -1. A key is the number of the context without
            its first token, times V, plus that token.
        numbers: the numbers of the contexts with these keys, (S,).
        totals: the sum of a context's counts, (C,).
        distinct: the number of tokens that followed it, (C,).
        last: the position at which it was last predicted from, (C,).
        first: the number of the first entry of its list, (C,); 0 ends a list.
        following: the entry after this one, (E,).
        tokens, counts: a token and its count, (E,).
        used: how many contexts there are, and how many entries, (2,).
    """

    keys: Array
    numbers: Array
    totals: Array
    distinct: Array
    last: Array
    first: Array
    following: Array
    tokens: Array
    counts: Array
    used: Array


def empty(contexts: int = 1 << 10) -> Counts:
    """Counts of nothing, with room for so many contexts and twice as many entries."""
    totals, distinct, last, first = np.zeros((4, contexts), np.int32)
    following, tokens, counts = np.zeros((3, 2 * contexts), np.int32)
    return Counts(
        keys=np.full(2 * contexts, -1, np.int64),
        numbers=np.zeros(2 * contexts, np.int32),
        totals=totals,
        distinct=distinct,
        last=last,
        first=first,
        following=following,
        tokens=tokens,
        counts=counts,
        used=np.ones(2, np.int64),
    )


def with_room(counts: Counts, tokens: int) -> Counts:
    """The same counts, with room for so many tokens more."""
    most = int(counts.used.max()) + tokens * (ORDER + 1)
    size = len(counts.first)
    if most <= size:
        return counts
    while size < most:
        size *= 2
    grown = empty(size)
    for old, new in zip(counts[2:], grown[2:], strict=True):
        new[: len(old)] = old
    rehash(counts, grown)
    return grown


@compiled
def rehash(counts: Counts, grown: Counts) -> None:
    """Put all keys into a larger table."""
    for i in range(len(counts.keys)):
        if counts.keys[i] >= 0:
            slot = slot_of(grown, counts.keys[i])
            grown.keys[slot], grown.numbers[slot] = counts.keys[i], counts.numbers[i]


@compiled
def slot_of(counts: Counts, key: int) -> int:
    """Where in the hash table a key is, or would be put."""
    slot = (key % MODULUS) * FACTOR % MODULUS % len(counts.keys)
    while counts.keys[slot] >= 0 and counts.keys[slot] != key:
        slot = slot + 1 if slot + 1 < len(counts.keys) else 0
    return slot


@compiled
def find_contexts(
    counts: Counts, ids: Array, begin: int, end: int, V: int, mark: int, path: Array
) -> int:
    """Find the contexts of the token after `ids[begin:end]` that are known.

    Args:
        mark: id of the mark before which no context reaches; 0: there is none.
        path: gets their numbers, by length, (ORDER + 1,).

    Returns:
        The length of the longest.
    """
    path[0] = 0
    for k in range(1, ORDER + 1):
        if k > end - begin or (mark and k > 1 and ids[end - k + 1] == mark):
            return k - 1
        slot = slot_of(counts, path[k - 1] * V + ids[end - k])
        if counts.keys[slot] < 0:
            return k - 1
        path[k] = counts.numbers[slot]
    return ORDER


@compiled
def add(counts: Counts, ids: Array, begin: int, at: int, V: int, mark: int, path: Array) -> None:
    """Count the token `ids[at]` after its contexts in `ids[begin:at]`; see `find_contexts`."""
    longest = find_contexts(counts, ids, begin, at, V, mark, path)
    while longest < ORDER and longest < at - begin:
        if mark and longest and ids[at - longest] == mark:
            break
        key = path[longest] * V + ids[at - longest - 1]
        slot = slot_of(counts, key)
        longest += 1
        counts.keys[slot] = key
        counts.numbers[slot] = path[longest] = counts.used[0]
        counts.used[0] += 1
    token, known = ids[at], False
    for k in range(longest, -1, -1):
        context = path[k]
        counts.last[context] = at
        if known:
            continue
        entry = counts.first[context]
        while entry and counts.tokens[entry] != token:
            entry = counts.following[entry]
        known = entry > 0
        if not known:
            entry = counts.used[1]
            counts.used[1] += 1
            counts.tokens[entry] = token
            counts.following[entry] = counts.first[context]
            counts.first[context] = entry
            counts.distinct[context] += 1
        counts.counts[entry] += 1
        counts.totals[context] += 1


@compiled
def add_all(
    counts: Counts, ids: Array, begin: int, start: int, stop: int, V: int, mark: int, path: Array
) -> None:
    """Count the tokens `ids[start:stop]` of a text that begins at `begin`."""
    for at in range(start, stop):
        add(counts, ids, begin, at, V, mark, path)


def counted(ids: Array, V: int, mark: int) -> Counts:
    """Counts of a whole text."""
    counts, path = empty(), np.zeros(ORDER + 1, np.int64)
    for start in range(0, len(ids), BLOCK):
        counts = with_room(counts, BLOCK)
        add_all(counts, ids, 0, start, min(start + BLOCK, len(ids)), V, mark, path)
    return counts


@compiled
def interpolate(counts: Counts, path: Array, longest: int, p: Array) -> None:
    """The probabilities (V,) of the next token, by absolute discounting, interpolated.

    p_k(c | h) = (max(N(h c) - d, 0) + d D(h) p_{k-1}(c | h')) / N(h), with the counts N, the number
    D of tokens that followed h, and h' without its first token; p_{-1} is uniform (Ney, Essen &
    Kneser 1994).

    Args:
        path, longest: from `find_contexts`.
    """
    p[:] = 1.0 / len(p)
    for k in range(longest + 1):
        context = path[k]
        total = counts.totals[context]
        if total == 0:
            return
        discount = DISCOUNTS[min(k, 2)]
        p *= discount * counts.distinct[context] / total
        entry = counts.first[context]
        while entry:
            p[counts.tokens[entry]] += (counts.counts[entry] - discount) / total
            entry = counts.following[entry]
