"""How much of one text stands, word for word, in another: its matching statistics.

Chang and Lawler, "Sublinear approximate string matching and biological applications",
Algorithmica 12 (1994).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charlm.machine.memory import available_memory, check_memory
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import code_points

# Memory that a character takes, at the least.
BYTES = 80

Integers = npt.NDArray[np.int64]


class Matches(NamedTuple):
    """The longest match that begins at each position of a text.

    Args:
        lengths: how many characters from there on also stand in the other text, (characters,).
        places: where in the other text, (characters,); one of several places. Of no meaning where
            the length is 0.
    """

    lengths: Integers
    places: Integers


class Suffixes(NamedTuple):
    """All suffixes of a sequence in order.

    Args:
        order: where the suffixes begin, in the order of a dictionary, (N,).
        names: in row k a number for the first 2^k symbols of each suffix, (K, N): two suffixes have
            the same if and only if these symbols are the same.
    """

    order: Integers
    names: list[npt.NDArray[np.int32]]


def longest_matches(
    texts: Sequence[str], reference: str, report: ProgressCallback = ignore_progress
) -> list[Matches]:
    """The longest matches of some texts, at each position, with a text that they are compared with.

    All suffixes of all texts are sorted together. The longest match of one is that with the suffix
    of the reference before or after it in this order: any other is further away, and so has no more
    first characters in common with it. Takes O(n log² n) steps for n characters in all, whatever
    they are.

    Args:
        report: called now and then with the number of suffixes in order, and of all.

    Raises:
        NotEnoughMemoryError: they are too long for this machine.
    """
    size = len(reference) + sum(map(len, texts))
    advice = "Do it on a machine with more memory."
    check_memory("Comparing these texts", BYTES * size, available_memory(), advice)
    suffixes = sorted_suffixes(joined([reference, *texts]), report)
    order, m = suffixes.order, len(reference)
    rows = np.arange(len(order))
    ours = order > m  # neither the reference nor the separator behind it
    before = np.maximum.accumulate(np.where(order < m, rows, -1))[ours]
    after = np.minimum.accumulate(np.where(order < m, rows, len(rows))[::-1])[::-1][ours]
    mine = order[ours]
    lengths, places = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    for there, row in ((before >= 0, before), (after < len(rows), after)):
        at, other = mine[there], order[row[there]]
        found = common_prefixes(suffixes.names, at, other)
        longer = found > lengths[at]
        lengths[at[longer]], places[at[longer]] = found[longer], other[longer]
    ends = np.cumsum([m + 1, *(len(text) + 1 for text in texts)])
    spans = [slice(start, stop - 1) for start, stop in pairwise(ends.tolist())]
    return [Matches(lengths[span], places[span]) for span in spans]


def joined(texts: Sequence[str]) -> Integers:
    """Numbers of the characters of all texts, each text followed by a number of its own.

    So no two suffixes are equal, and no match goes beyond the end of a text.
    """
    pieces: list[Integers] = []
    for number, text in enumerate(texts):
        pieces += [code_points(text).astype(np.int64) + len(texts), np.array([number])]
    return np.concatenate(pieces)


def sorted_suffixes(symbols: Integers, report: ProgressCallback = ignore_progress) -> Suffixes:
    """Sort all suffixes of a sequence whose last symbol stands nowhere else in it.

    By prefix doubling, which goes on only with suffixes that are not told apart yet. Larsson and
    Sadakane, "Faster suffix sorting", Theoretical Computer Science 387 (2007).

    Args:
        symbols: (N,), not negative.
    """
    n = len(symbols)
    # A suffix is ranked by the number of those that are smaller in what has been looked at.
    ranks, names = np.zeros(n, np.int64), list[npt.NDArray[np.int32]]()
    tied, keys = np.arange(n), symbols
    while True:
        by = np.argsort(keys, kind="stable")
        tied, keys = tied[by], keys[by]
        old, rows = ranks[tied], np.arange(len(tied))
        first = np.diff(keys, prepend=-1) != 0
        group = np.maximum.accumulate(np.where(np.diff(old, prepend=-1) != 0, rows, 0))
        ranks[tied] = old + np.maximum.accumulate(np.where(first, rows, 0)) - group
        tied = tied[~(first & np.append(first[1:], True))]
        report(n - len(tied), n)
        if not len(tied):
            break
        names.append(ranks.astype(np.int32))
        # Two that begin alike go on to the end of neither: there is a next symbol to look at.
        seen = 2 ** (len(names) - 1)
        keys = ranks[tied] * n + ranks[tied + seen]
    order = np.empty(n, np.int64)
    order[ranks] = np.arange(n)
    return Suffixes(order, names)


def common_prefixes(
    names: Sequence[npt.NDArray[np.int32]], one: Integers, other: Integers
) -> Integers:
    """How many first symbols the suffixes at two positions have in common, for many pairs, (P,).

    Args:
        names: of `Suffixes`.
        one, other: where the suffixes of a pair begin, (P,) each; never the same place.
    """
    lengths = np.zeros(len(one), np.int64)
    for power in reversed(range(len(names))):
        same = names[power][one + lengths] == names[power][other + lengths]
        lengths += same.astype(np.int64) << power
    return lengths
