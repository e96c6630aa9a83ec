"""How well a unit tells a property, once the current character is accounted for.

A unit of any net, also of an untrained one, answers to the character that is being read, and so
follows whatever that character tells. Activities and properties are therefore compared among
positions that have read the same character: these are the strata. Where the property is of the
character itself, all positions are one stratum.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Effects = npt.NDArray[np.float64]
Strata = npt.NDArray[np.int64]

# Of what varies less than this, relative to its size, all that is left are roundings.
NEGLIGIBLE = 1e-6


class StratumMeans:
    """Mean values of each stratum.

    Args:
        values: that the means are of, (T, n).
        strata: numbers of the strata from 0 on, (T,).
    """

    def __init__(self, values: Array, strata: Strata) -> None:
        exact: Effects = values.astype(np.float64)
        counts = np.bincount(strata)
        order = np.argsort(strata, kind="stable")
        there = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[there]
        self.overall = exact.mean(0)
        self.means = np.tile(self.overall, (len(counts), 1))
        self.means[there] = np.add.reduceat(exact[order], starts) / counts[there, None]
        self.size = root_mean_square(exact)

    def residuals(self, values: Array, strata: Strata) -> Array:
        """What is left of values (T, n) without the mean of their stratum; zeros if nothing is.

        A stratum without a mean has that of all values.
        """
        known = np.minimum(strata, len(self.means) - 1)
        means = np.where((strata < len(self.means))[:, None], self.means[known], self.overall)
        left: Effects = np.subtract(values, means, dtype=np.float64)
        left[:, root_mean_square(left) <= NEGLIGIBLE * self.size] = 0
        found: Array = left.astype(np.float32)
        return found


def root_mean_square(values: Effects) -> Effects:
    """Of each column of (T, n)."""
    squares: Effects = np.einsum("tn,tn->n", values, values) / max(len(values), 1)
    return np.sqrt(squares)


def auc(activity: Array, strata: Strata, properties: Array) -> Effects:
    """Area under the ROC curve of each unit for each binary property, (units, properties).

    It is the probability that the unit is more active where the property holds than where it does
    not, of two positions in the same stratum; ties count half. NaN where there are no such pairs.

    Args:
        activity: (T, units).
        strata: (T,).
        properties: 0 or 1, (T, properties).
    """
    ranks = np.stack([ranks_within(each, strata) for each in activity.T])
    values = properties.astype(np.float64)
    sizes = np.bincount(strata)[:, None]
    holds = np.stack([np.bincount(strata, each) for each in values.T], axis=1)
    pairs = (holds * (sizes - holds)).sum(0)
    above = ranks @ values - (holds * (holds + 1) / 2).sum(0)
    areas: Effects = np.divide(above, pairs, out=np.full(above.shape, np.nan), where=pairs > 0)
    return areas


def ranks_within(values: npt.NDArray[np.float32], strata: Strata) -> Effects:
    """Rank of each value (T,) in its stratum, from 1 on; ties share the mean of theirs."""
    order = np.argsort(values)
    # Of the narrowest type, which is sorted fastest.
    narrow = strata.astype(np.min_scalar_type(int(strata.max(initial=0))))
    order = order[np.argsort(narrow[order], kind="stable")]
    ordered, groups = values[order], strata[order]
    new_stratum = np.diff(groups, prepend=-1) != 0
    first = np.flatnonzero(new_stratum | (np.diff(ordered, prepend=np.nan) != 0))
    number = np.diff(first, append=len(values))
    at = np.arange(len(values))
    stratum_start = np.maximum.accumulate(np.where(new_stratum, at, 0))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (number + 1) / 2, number) - stratum_start
    return ranks


def r_squared(
    activity: Array, properties: Array, held_out_activity: Array, held_out_properties: Array
) -> Effects:
    """R² of each unit for each numeric property on held-out text, (units, properties).

    The property is predicted from the activity by the slope of least squares on other text, both
    as residuals of their stratum's mean there. It is below 0 where that mean alone is better.

    Args:
        activity, properties: residuals on the other text, (T, units) and (T, properties).
        held_out_activity, held_out_properties: residuals of the held-out text.
    """
    a, b, c, d = (
        each.astype(np.float64)
        for each in (activity, properties, held_out_activity, held_out_properties)
    )
    size = (a * a).sum(0)[:, None]
    slope = np.divide(a.T @ b, size, out=np.zeros((a.shape[1], b.shape[1])), where=size > 0)
    total = (d * d).sum(0)
    explained: Effects = 2 * slope * (c.T @ d) - slope**2 * (c * c).sum(0)[:, None]
    explained[:, total > 0] /= total[total > 0]
    explained[:, total <= 0] = np.nan
    return explained
