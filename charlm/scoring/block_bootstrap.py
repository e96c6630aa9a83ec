"""How far a mean would vary: a circular block bootstrap, with blocks as long as the values need.

Neighbours of a series are alike, so that single values must not be drawn: whole blocks are, from
the series closed to a ring, so that every value is drawn equally often (Politis & Romano 1992).
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

RESAMPLES = 4_000
# The spread of resamples of so many blocks is known to about one percent: (4 / 3 / 4,000)^½ / 2. To
# make blocks longer, rather than draw more of them, costs nothing then.
MOST_BLOCKS = 4_000
# Sums of blocks that are drawn at once, for the sake of memory.
DRAWN_TOGETHER = 500_000
# Lags beyond the last correlation that have to be small too, and what is small, in standard errors.
QUIET_LAGS, SMALL = 5, 2.0


def autocovariances(values: Floats, lags: int) -> Floats:
    """Of a series (n,), at the lags 0 to `lags`, each divided by n."""
    n = len(values)
    size = 1 << (n + lags).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), size)
    found: Floats = np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1] / n
    return found


def block_length(values: Floats) -> float:
    """The block length that estimates the variance of a series' mean best, 1 or more.

    It grows with the cube root of the length. Politis & White 2004, "Automatic Block-Length
    Selection for the Dependent Bootstrap", with the constants for the circular bootstrap as
    corrected by Patton, Politis & White 2009: (2 G² / D)^(1/3) n^(1/3), D = 4/3 g(0)², where
    g(0) = Σ λ R(k) and G = Σ λ |k| R(k) over the lags k, of which a flat-top window λ keeps those
    up to twice the last correlation that is not small.

    Args:
        values: (n,), finite, two or more.
    """
    n = len(values)
    most_lags = min(math.ceil(math.sqrt(n)) + QUIET_LAGS, n - 1)
    R = autocovariances(values, most_lags)
    if R[0] <= np.finfo(np.float64).eps ** 2 * np.square(values).mean():
        return 1.0
    large = np.abs(R[1:] / R[0]) >= SMALL * math.sqrt(math.log10(n) / n)
    last = last_before_quiet(large)
    window = min(2 * max(last, 1), most_lags)
    k = np.arange(1, window + 1)
    flat_top = np.minimum(1.0, 2 * (1 - k / window))
    g0 = R[0] + 2 * (flat_top * R[1 : window + 1]).sum()
    G = 2 * (flat_top * k * R[1 : window + 1]).sum()
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    best = (1.5 * (G / g0) ** 2 * n) ** (1 / 3) if g0 else math.inf
    return float(min(max(best, 1.0), longest))


def last_before_quiet(large: npt.NDArray[np.bool_]) -> int:
    """The lag behind which QUIET_LAGS correlations are small; if there is none, the last large one.

    Args:
        large: whether the correlation at each lag from 1 on is large, (lags,).
    """
    runs = np.convolve(large, np.ones(QUIET_LAGS, dtype=np.int64), "valid")
    quiet = np.flatnonzero(runs == 0)
    return int(quiet[0]) if len(quiet) else int(np.flatnonzero(large)[-1]) + 1


def resampled_means(
    columns: Floats, block: int = 1, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Means of resamples of a series, (resamples, M), each of as many rows as there are.

    Args:
        columns: (n, M); what stands side by side in a row is drawn together.
        block: neighbours that are drawn together, more where there are very many rows; 1 for rows
            that are independent.
    """
    n, random = len(columns), np.random.default_rng(seed)
    if block == 1 and n > MOST_BLOCKS:
        # They are independent, and may be sorted: neighbours by chance stand together.
        columns = random.permutation(columns)
    block = min(max(block, math.ceil(n / MOST_BLOCKS)), n)
    whole, rest = divmod(n, block)
    sums = circular_sums(columns, block)
    last = circular_sums(columns, rest) if rest else np.zeros_like(sums)
    found = np.empty((resamples, columns.shape[1]))
    for some in portions(resamples, whole):
        starts = random.integers(0, n, (len(some), whole))
        ends = random.integers(0, n, len(some))
        for column in range(columns.shape[1]):
            total = np.take(sums[column], starts).sum(1) + last[column, ends]
            found[some, column] = total / n
    return found


def circular_sums(columns: Floats, block: int) -> Floats:
    """The sum of the block that begins at each place of a ring of rows (n, M), as (M, n)."""
    ring = np.concatenate([columns, columns[: block - 1]]).T
    sums = np.cumsum(ring, 1)
    sums[:, block:] = sums[:, block:] - sums[:, :-block]
    return np.ascontiguousarray(sums[:, block - 1 :])


def resampled_groups(
    columns: Floats, groups: Ids, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Means of resamples of whole groups of rows, such as documents, (resamples, M).

    Args:
        columns: (n, M).
        groups: number of each row's group, (n,).
    """
    _, numbers = np.unique(groups, return_inverse=True)
    sizes = np.bincount(numbers)
    sums = np.stack([np.bincount(numbers, each) for each in columns.T])
    random = np.random.default_rng(seed)
    found = np.empty((resamples, columns.shape[1]))
    for some in portions(resamples, len(sizes)):
        drawn = random.integers(0, len(sizes), (len(some), len(sizes)))
        found[some] = (sums[:, drawn].sum(2) / sizes[drawn].sum(1)).T
    return found


def portions(resamples: int, draws: int) -> Iterator[Ids]:
    """Numbers of resamples, of so many draws each, for which memory suffices at a time."""
    together = max(1, DRAWN_TOGETHER // draws)
    for start in range(0, resamples, together):
        yield np.arange(start, min(start + together, resamples))
