"""Which part of a table each row belongs to: training, validation or test."""

import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

TRAIN, VAL, TEST = 0, 1, 2
NAMES = ("train", "val", "test")
# Words for the parts that a column may hold.
WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "dev": VAL,
    "test": TEST,
}

Parts = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.integer]


def draw_parts(
    strata: Sequence[str], val: float, test: float, seed: int, groups: Sequence[str] | None = None
) -> Parts:
    """Draw which rows are held out, in the same shares of every stratum.

    Args:
        strata: of each row, such as its label.
        val, test: shares of the rows.
        seed: of the draw.
        groups: of each row, such as its author: all rows of a group are in one part. Whole groups
            are drawn then, whatever their strata.

    Returns:
        TRAIN, VAL or TEST of each row, (rows,).
    """
    random = np.random.default_rng(seed)
    parts = np.full(len(strata), TRAIN, dtype=np.uint8)
    members: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(strata if groups is None else groups):
        members[key].append(row)
    if groups is not None:
        return draw_groups(list(members.values()), parts, val, test, random)
    seen, drawn = 0, {TEST: 0, VAL: 0}
    for key in sorted(members):
        order = random.permutation(np.array(members[key]))
        seen += len(order)
        first = 0
        for part, fraction in ((TEST, test), (VAL, val)):
            # What is left over of a stratum's share goes to the next ones, so that many small
            # strata have their share together; but one row of each stays for training.
            wanted = share(seen, fraction) - drawn[part]
            n = max(0, min(wanted, math.ceil(len(order) * fraction), len(order) - 1 - first))
            parts[order[first : first + n]] = part
            drawn[part] += n
            first += n
    for part, fraction in ((TEST, test), (VAL, val)):
        if fraction and not (parts == part).any():
            # So few rows that every share rounds to none: one row stands for the part.
            rest = np.flatnonzero(parts == TRAIN)
            parts[random.permutation(rest)[: int(len(rest) > 1)]] = part
    return parts


def draw_groups(
    members: list[list[int]], parts: Parts, val: float, test: float, random: np.random.Generator
) -> Parts:
    """Whole groups, in random order, into test and then val until these have their shares."""
    wanted = {TEST: share(len(parts), test), VAL: share(len(parts), val)}
    for number in random.permutation(len(members)):
        part = next((each for each in (TEST, VAL) if wanted[each] > 0), TRAIN)
        parts[members[number]] = part
        if part != TRAIN:
            wanted[part] -= len(members[number])
    return parts


def share(rows: int, fraction: float) -> int:
    """The whole number nearest to this fraction of the rows."""
    return math.floor(Fraction(str(fraction)) * rows + Fraction(1, 2))


def draw_folds(
    strata: Sequence[str], k: int, seed: int, groups: Sequence[str] | None = None
) -> Ids:
    """Draw the fold of each row, 0 to k - 1, (rows,): a permutation, cut in k of nearly equal size.

    Args:
        strata: of each row, such as its label: each is cut on its own.
        groups: of each row: all rows of a group are in one fold, whatever their strata.
    """
    random = np.random.default_rng(seed)
    drawn = np.empty(len(strata), dtype=np.int64)
    members: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(strata if groups is None else groups):
        members[key].append(row)
    sizes = np.zeros(k, dtype=np.int64)
    if groups is not None:
        each_group = list(members.values())
        for number in random.permutation(len(each_group)):
            smallest = int(sizes.argmin())
            drawn[each_group[number]] = smallest
            sizes[smallest] += len(each_group[number])
        return drawn
    for key in sorted(members):
        pieces = np.array_split(random.permutation(np.array(members[key])), k)
        # The larger pieces, which come first, go where there are fewest rows yet.
        for piece, fold in zip(pieces, np.argsort(sizes, kind="stable"), strict=True):
            drawn[piece] = fold
            sizes[fold] += len(piece)
    return drawn


def spans_of(parts: Parts) -> tuple[npt.NDArray[np.int64], dict[str, list[int]]]:
    """The rows with the parts one behind the other, and where each part begins and ends.

    Rows of no part are left out; within a part they keep their order.
    """
    rows = [np.flatnonzero(parts == part) for part in range(len(NAMES))]
    stops = np.cumsum([len(each) for each in rows]).tolist()
    starts = [0, *stops[:-1]]
    spans = {name: [a, b] for name, a, b in zip(NAMES, starts, stops, strict=True)}
    return np.concatenate(rows).astype(np.int64, copy=False), spans
