"""Intervals of scores, and of the difference between two models on the same items."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.scoring.block_bootstrap import (
    MOST_BLOCKS,
    block_length,
    resampled_groups,
    resampled_means,
)
from charlm.text.splits import count

Floats = npt.NDArray[np.float64]
# From means of values to the figure that people read, such as the root of a mean squared error.
Figure = Callable[[Floats], Floats]

LEVEL = 0.95
LEAST_ITEMS, LEAST_BLOCKS = 200, 30
# By so much wider at twice the block length, an interval is said not to have settled.
SETTLED = 1.25


@dataclass(frozen=True)
class ItemValues:
    """What a score is the mean of, item by item.

    Args:
        values: such as -ln p of each character, or 1 for each text labelled rightly, (items,).
        item: what an item is, such as "character".
        identity: a hash of what was scored: the same for two models only on the same items.
        series: whether neighbours are alike, as the characters of a text are.
        groups: number of each item's group, (items,), where whole groups, such as documents, are
            independent of each other.
        group: what a group is.
        each: how many items each value is the mean of, in a series that is very long.
    """

    values: Floats
    item: str
    identity: str
    series: bool = False
    groups: npt.NDArray[np.int64] | None = None
    group: str = "group"
    each: int = 1


@dataclass(frozen=True)
class Interval:
    """Where the middle LEVEL of a statistic lies in resamples.

    Args:
        block: neighbouring items that were drawn together; 1 of independent ones.
        blocks: how many of them, or groups of items, the items make.
    """

    low: float
    high: float
    block: int
    blocks: int

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True)
class Estimate:
    """A figure, and how far it would vary on text that goes on just like what was scored.

    Args:
        interval: None where nothing can be said.
        note: why there is none, or what to know of it, in a sentence.
    """

    value: float
    interval: Interval | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        interval = None if self.interval is None else {**vars(self.interval), "level": LEVEL}
        return {"value": self.value, "interval": interval, "note": self.note}


def estimate(items: ItemValues, figure: Figure = lambda mean: mean) -> Estimate:
    """The figure of a score, with its interval."""
    return with_interval(items, items.values[:, None], items.values, lambda m: figure(m[..., 0]))


def paired_difference(
    one: ItemValues, other: ItemValues, figure: Figure = lambda mean: mean
) -> Estimate:
    """The difference between two models' figures, one less the other, with its interval.

    Items are drawn with what both models made of them, so that what is hard for both cancels out.
    The blocks are as long as the series of differences needs.

    Raises:
        ValueError: they were not scored on the same items.
    """
    if one.identity != other.identity or len(one.values) != len(other.values):
        raise ValueError("different items")
    columns = np.stack([one.values, other.values], 1)

    def statistic(means: Floats) -> Floats:
        return figure(means[..., 0]) - figure(means[..., 1])

    differences = one.values - other.values
    if len(differences) and not differences.any():
        return Estimate(0.0, note=f"Both do alike on every {one.item}.")
    return with_interval(one, columns, differences, statistic)


def with_interval(
    items: ItemValues, columns: Floats, steering: Floats, statistic: Figure
) -> Estimate:
    """A statistic of means, with its interval.

    Args:
        items: what the values are of.
        columns: values to take means of, (items, M).
        steering: the series that decides on the block length, (items,).
        statistic: from means (..., M) to figures (...).
    """
    plain = Estimate(float(statistic(columns.mean(0))) if len(columns) else math.nan)
    n, item = len(columns), items.item
    if not np.isfinite(columns).all():
        return replace(plain, note="No interval: the score is not finite.")
    if items.groups is not None:
        return of_groups(plain, columns, items, statistic)
    if items.series and n < LEAST_ITEMS:
        return replace(plain, note=f"No interval: {count(n, item)}, and it takes {LEAST_ITEMS}.")
    least = max(2, math.ceil(n / MOST_BLOCKS))
    block = max(least, round(block_length(steering))) if items.series else 1
    if n < LEAST_BLOCKS * block:
        made = f"{count(n // block, 'block')} of {count(block, item)}" if block > 1 else ""
        short = f"{count(n, item)} make {made}" if made else count(n, item)
        return replace(plain, note=f"No interval: {short}, and it takes {LEAST_BLOCKS}.")
    if not np.ptp(columns, 0).any():
        return replace(plain, note=f"No interval: every {item} has the same value.")
    found = middle(statistic(resampled_means(columns, block)), block * items.each, n // block)
    if not items.series:
        return replace(plain, interval=found)
    drawn = statistic(resampled_means(columns, 2 * block))
    twice = middle(drawn, 2 * block * items.each, n // (2 * block))
    note = ""
    if twice.width > SETTLED * found.width:
        wider = twice.width / found.width - 1
        note = (
            f"In blocks of {count(twice.block, item)} the interval is {wider:.0%} wider than in "
            f"blocks of {found.block:,}: what lies far apart is alike too, and more text may vary "
            "more."
        )
    return replace(plain, interval=max(found, twice, key=lambda each: each.width), note=note)


def of_groups(plain: Estimate, columns: Floats, items: ItemValues, statistic: Figure) -> Estimate:
    """The same, by drawing whole groups."""
    groups = items.groups
    assert groups is not None
    there = len(np.unique(groups))
    if there < LEAST_BLOCKS:
        made = count(there, items.group)
        return replace(plain, note=f"No interval: {made}, and it takes {LEAST_BLOCKS}.")
    if not np.ptp(columns, 0).any():
        return replace(plain, note="No interval: every item has the same value.")
    means = statistic(resampled_groups(columns, groups))
    return replace(plain, interval=middle(means, 1, there))


def middle(resampled: Floats, block: int, blocks: int) -> Interval:
    """The middle LEVEL of resampled figures, a little wider where there are few blocks.

    Resamples of few values vary too little. The quantiles are those that Student's t would take
    (the expanded percentile interval of Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap").
    """
    share = tail(blocks)
    low, high = np.quantile(resampled, (share, 1 - share))
    return Interval(float(low), float(high), block, blocks)


def tail(blocks: int) -> float:
    """The share of resamples to leave out at each end, (1 - LEVEL) / 2 of very many blocks."""
    normal, v = NormalDist(), blocks - 1
    z = normal.inv_cdf((1 + LEVEL) / 2)
    # Student's quantile from the normal one: Cornish and Fisher's series.
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return normal.cdf(-math.sqrt(blocks / v) * t)
