"""Whether one model is better than another on the same texts, or cannot be told apart from it."""

import numpy as np
import numpy.typing as npt

Right = npt.NDArray[np.bool_]

RESAMPLES = 10_000
# Of the resamples, in which the difference has to have the same sign.
SURE = 0.95


def paired_interval(one: Right, other: Right, seed: int = 0) -> tuple[float, float]:
    """The middle SURE of the differences in accuracy between resamples of the same texts.

    A paired bootstrap (Efron & Tibshirani 1993, chapter 8): texts are drawn with replacement, and
    with each of them what both models said of it. A text counts +1, 0 or -1 for the difference, so
    that a resample is a draw of how many of each there are.

    Args:
        one, other: which texts each model labelled rightly, (texts,).
    """
    difference = one.astype(np.int64) - other
    shares = [(difference == value).mean() for value in (1, 0, -1)]
    drawn = np.random.default_rng(seed).multinomial(len(difference), shares, RESAMPLES)
    differences = (drawn[:, 0] - drawn[:, 2]) / len(difference)
    low, high = np.quantile(differences, ((1 - SURE) / 2, (1 + SURE) / 2))
    return float(low), float(high)


def verdict(interval: tuple[float, float], other: str) -> str:
    """In a sentence, what an interval of differences says of the first model."""
    low, high = interval
    shown = f"{100 * low:+.1f} to {100 * high:+.1f} points of accuracy, {SURE:.0%} of resamples"
    if low > 0:
        return f"Better than '{other}' on these texts: {shown}."
    if high < 0:
        return f"Worse than '{other}' on these texts: {shown}."
    return f"These texts cannot tell it apart from '{other}': {shown}."
