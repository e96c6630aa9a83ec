"""Which units follow which properties of a text: the linear shift test, over all pairs at once.

A text resembles itself a little later, and so does what a unit makes of it. Two such series are
often correlated by chance, and tests that take their values to be independent find what is not
there; so do shuffled texts, and shifts that wrap around.

The linear shift test (Harris 2020, arXiv 2012.06862) asks for one thing: that the properties are
stationary. A central window of the activity stays, and the properties are shifted against it by
-N … N steps, without wrapping. If the two are independent, the statistic without a shift is among
the m largest of all 2N + 1 with probability at most m / (N + 1), however they are autocorrelated.
The N + 1 is the price for that; for N large the probability comes near m / (2N + 1). Yuan & Shou
(2024, PLOS Biology 22, "truncated time-shift test") prove the same.

The statistic is the largest of all units and properties (Westfall & Young 1993), so that p is of
the whole family: the probability that independent series give any pair at all as strong as this.
To be comparable, the |correlation| of each pair is made Fisher's z, artanh |r|, whose spread hardly
depends on its size, and that is standardized by its own values at all shifts.
These are estimates, for which the bound is no longer a theorem; the tests hold it on simulated
series. A step may be several characters, so that shifts reach beyond what resembles itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.errors import UsageError
from charlm.progress import ProgressCallback, ignore_progress

Array = npt.NDArray[np.float32]

# N: with 99 the least p is 0.01.
SHIFTS = 99
# Characters between one shift and the next, at least. There are so many that half of the text is
# left for the window, and shifts reach over a quarter of it in both directions.
LEAST_STEP = 10
# Shifts whose products are computed together.
TOGETHER = 32
LEAST_CHARACTERS = 4 * SHIFTS * LEAST_STEP


@dataclass(frozen=True)
class ShiftPlan:
    """What is compared of a text: a central window, and by how much properties are shifted.

    Args:
        start, stop: the window of the activity.
        step: characters between one shift and the next.
        shifts: N; there are 2N + 1.
    """

    start: int
    stop: int
    step: int
    shifts: int = SHIFTS

    @classmethod
    def of(cls, characters: int) -> "ShiftPlan":
        """The plan for a text of so many characters.

        Raises:
            UsageError: they are too few.
        """
        if characters < LEAST_CHARACTERS:
            raise UsageError(
                f"A text of {characters:,} characters is too short for {2 * SHIFTS + 1} shifts.",
                f"At least {LEAST_CHARACTERS:,} are needed.",
            )
        step = characters // (4 * SHIFTS)
        return cls(SHIFTS * step, characters - SHIFTS * step, step)

    @property
    def offsets(self) -> range:
        """Where the shifted properties begin, for k = -N … N."""
        reach = self.shifts * self.step
        return range(self.start - reach, self.start + reach + 1, self.step)


@dataclass(frozen=True)
class ShiftTest:
    """What the test found of all pairs of a unit and a property.

    Args:
        correlation: without a shift, (units, properties).
        p: family-wise, (units, properties).
    """

    correlation: Array
    p: npt.NDArray[np.float64]


def shift_test(
    blocks: Iterable[Sequence[Array]],
    properties: Sequence[Array],
    plan: ShiftPlan,
    report: ProgressCallback = ignore_progress,
) -> ShiftTest:
    """Test all units of all blocks against all properties.

    Args:
        blocks: the units in blocks, and each block as often as there are groups of properties: what
            each group is compared with, (characters, units).
        properties: groups of them, (characters, properties).
        report: called after each block with the number of blocks done, and 0 for the unknown total.

    Returns:
        Units in the order of the blocks, and properties in the order of the groups.
    """
    windows = [ShiftedWindows.of(each, plan) for each in properties]
    largest = np.full(2 * plan.shifts + 1, -np.inf)
    correlations, scores = [], []
    for done, block in enumerate(blocks):
        pairs = zip(block, windows, strict=True)
        found = torch.cat([w.correlations(unit[plan.start : plan.stop]) for unit, w in pairs], 2)
        correlations.append(found[plan.shifts].numpy())
        strength = found.abs().clamp(max=1 - 1e-6).atanh()
        spread = strength.std(0, correction=0)
        # Of what is constant there is none.
        standard = (strength - strength.mean(0)) / spread.where(spread > 0, torch.inf)
        largest = np.maximum(largest, standard.flatten(1).amax(1).numpy())
        scores.append(standard[plan.shifts].numpy())
        report(done + 1, 0)
    at_least = len(largest) - np.searchsorted(np.sort(largest), np.concatenate(scores), "left")
    p = np.minimum(at_least / (plan.shifts + 1), 1.0)
    return ShiftTest(np.concatenate(correlations), p)


@dataclass(frozen=True)
class ShiftedWindows:
    """Properties of a text as the window of the activity meets them, shift by shift.

    Args:
        series: (properties, characters), each of mean 0.
        scale: what makes their length 1 within the window of each shift, (2N + 1, properties).
    """

    series: Tensor
    scale: Tensor
    plan: ShiftPlan

    @classmethod
    def of(cls, properties: Array, plan: ShiftPlan) -> "ShiftedWindows":
        values = properties.astype(np.float64)
        values -= values.mean(0)
        width = plan.stop - plan.start
        spread = [values[start : start + width].std(0) for start in plan.offsets]
        length = np.sqrt(width) * np.stack(spread)
        # A constant stretch has roundings only.
        scale = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-9)
        series, scale = (np.ascontiguousarray(x, np.float32) for x in (values.T, scale))
        return cls(torch.from_numpy(series), torch.from_numpy(scale), plan)

    def correlations(self, activity: Array) -> Tensor:
        """At each shift, (2N + 1, units, properties), of the window's activity (window, units)."""
        units, width = torch.from_numpy(unit_length(activity)), len(activity)
        found = torch.empty(*self.scale.shape, units.shape[1])
        offsets = self.plan.offsets
        # Properties are few, and a product with those of many shifts at once is ten times as fast.
        for first in range(0, len(offsets), TOGETHER):
            some = offsets[first : first + TOGETHER]
            rows = torch.cat([self.series[:, start : start + width] for start in some])
            found[first : first + len(some)] = (rows @ units).view(len(some), -1, units.shape[1])
        return (found * self.scale[:, :, None]).transpose(1, 2)


def unit_length(series: Array) -> Array:
    """Series (T, n) of mean 0 and sum of squares 1; zeros if it is constant."""
    centred = series - series.mean(0, dtype=np.float64).astype(np.float32)
    length = np.sqrt(np.einsum("tn,tn->n", centred, centred, dtype=np.float64)).astype(np.float32)
    scaled: Array = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return scaled
