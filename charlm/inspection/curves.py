"""How training went, as numbers: the curves of one or several runs, nothing drawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Stretches of the x axis into which long curves are thinned: about the pixels of a picture.
BINS = 1000
# Positive numbers that differ by this factor are drawn on a logarithmic axis.
WIDE = 30.0


@dataclass(frozen=True)
class Series:
    """Measured points, in order.

    Args:
        x: where, ascending, (points,).
        y: what was measured, (points,); NaN where nothing was, which leaves a gap in the line.
    """

    x: Floats
    y: Floats

    @classmethod
    def of(cls, x: Iterable[float], y: Iterable[float]) -> "Series":
        """From any numbers; infinite ones count as not measured."""
        values = np.fromiter(y, np.float64)
        values[~np.isfinite(values)] = np.nan
        return cls(np.fromiter(x, np.float64), values)

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Which points were measured, (points,)."""
        return np.isfinite(self.y)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured."""
        return not self.measured.any()

    @property
    def alone(self) -> list[int]:
        """Measured points that no line reaches, since neither neighbour was measured."""
        known = np.concatenate([[False], self.measured, [False]])
        return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:]).tolist()

    def thinned(self, bins: int = BINS) -> "Series":
        """The points that `thin` keeps."""
        kept = thin(self.x, self.y, bins)
        return Series(self.x[kept], self.y[kept])

    def to_json(self) -> dict[str, list[float]]:
        return {"x": self.x.tolist(), "y": self.y.tolist()}


NOTHING = Series(np.empty(0), np.empty(0))


def thin(x: Floats, y: Floats, bins: int) -> Indices:
    """Which points of a long curve to draw, so that it looks as if all of them were drawn.

    The x axis is divided into bins of equal width. Of each its least and its greatest value are
    kept, so that every spike stays, and a point that was not measured if there is one, so that
    every gap stays; and the first and the last point of all.

    Args:
        x: ascending, (points,).
        y: (points,); NaN where nothing was measured.

    Returns:
        Indices, ascending; all of them if there are no more than two for each bin.
    """
    n = len(x)
    if n <= 2 * bins or x[0] == x[-1]:
        return np.arange(n)
    bin_of = np.minimum((bins * ((x - x[0]) / (x[-1] - x[0]))).astype(np.intp), bins - 1)
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    ends = np.append(starts[1:], n) - 1
    gaps = np.isnan(y)
    # Sorted by bin and then by value: each bin's points stay in the places that were the bin's.
    least = np.lexsort((np.where(gaps, np.inf, y), bin_of))[starts]
    most = np.lexsort((np.where(gaps, -np.inf, y), bin_of))[ends]
    missing = np.flatnonzero(gaps)
    missing = missing[np.unique(bin_of[missing], return_index=True)[1]]
    return np.unique(np.concatenate([[0, n - 1], least, most, missing]))


def smooth(losses: Floats, items: Floats, window: float) -> Floats:
    """The mean loss of all items within a window around each point, (points,).

    Args:
        losses: mean loss of each point's items, (points,); NaN where it is unknown.
        items: how many these are, above 0, (points,).
        window: length in items. It lies around the middle of each point's items, and is shorter
            near both ends, so that it does not lean to a side. Where it holds no more than the
            point's own items, the loss stays as it is.
    """
    known = np.isfinite(losses)
    edges = np.concatenate([[0.0], np.cumsum(items)])
    counts = np.where(known, items, 0.0)
    # Each loss stands for all of its items, so that sums up to any item follow by interpolation.
    mass = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(counts * np.where(known, losses, 0.0))])
    middle = (edges[:-1] + edges[1:]) / 2
    half = np.minimum(window / 2, np.minimum(middle, edges[-1] - middle))
    low, high = middle - half, middle + half
    sums, numbers = (
        np.interp(high, edges, each) - np.interp(low, edges, each) for each in (total, mass)
    )
    means = np.divide(sums, numbers, out=np.full(len(losses), np.nan), where=numbers > 0)
    return np.where(known, np.where(items >= window, losses, means), np.nan)


@dataclass(frozen=True)
class RunCurves:
    """The curves of one run.

    Args:
        name: of the run.
        differs: the settings in which it differs from the other runs; empty for a single one.
        training: of the items since the previous evaluation; empty if training does not measure it.
        smoothed: the same over a longer window; empty unless smoothing was asked for.
        held_out: empty if nothing is held out.
        learning_rate: of the step after each evaluation.
        gradient_norm: mean over the steps since the previous evaluation, before clipping.
    """

    name: str
    differs: str = ""
    training: Series = NOTHING
    smoothed: Series = NOTHING
    held_out: Series = NOTHING
    learning_rate: Series = NOTHING
    gradient_norm: Series = NOTHING

    @property
    def label(self) -> str:
        """The name, and the settings that tell this run from the others."""
        return f"{self.name}: {self.differs}" if self.differs else self.name

    def to_json(self) -> dict[str, Any]:
        names = ("training", "smoothed", "held_out", "learning_rate", "gradient_norm")
        series = {name: getattr(self, name).to_json() for name in names}
        return {"run": self.name, "differs": self.differs, **series}


@dataclass(frozen=True)
class TrainingCurves:
    """The curves of runs that share their axes.

    Args:
        title: what is shown.
        x_label, y_label: with units.
        runs: at least one.
        window: of the smoothed curves, such as "mean over 10,000 characters"; empty without.
        notes: sentences to show along with them.
    """

    title: str
    x_label: str
    y_label: str
    runs: tuple[RunCurves, ...]
    window: str = ""
    notes: tuple[str, ...] = ()

    @property
    def losses(self) -> list[Series]:
        """All training and held-out curves that are not empty."""
        each = [(run.training, run.smoothed, run.held_out) for run in self.runs]
        return [series for of_run in each for series in of_run if not series.is_empty]

    def to_json(self) -> dict[str, Any]:
        axes = {"x": self.x_label, "y": self.y_label, "smoothed": self.window or None}
        return {**axes, "runs": [run.to_json() for run in self.runs]}


def is_wide(series: Iterable[Series]) -> bool:
    """Whether the numbers are positive and so far apart that they want a logarithmic axis."""
    values = np.concatenate([[], *(each.y[each.measured] for each in series)])
    return bool(len(values) and values.min() > 0 and values.max() / values.min() >= WIDE)
