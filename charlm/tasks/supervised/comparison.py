"""Whether one model is better than another on the same examples, or cannot be told apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from charlm.scoring.block_bootstrap import resampled_means
from charlm.scoring.intervals import LEVEL

Floats = npt.NDArray[np.float64]
# A statistic of both models from the means of their values, (resamples,) each.
Difference = Callable[[Floats, Floats], Floats]


def paired_interval(
    one: npt.NDArray[np.generic],
    other: npt.NDArray[np.generic],
    difference: Difference = lambda a, b: a - b,
    block: int = 1,
    seed: int = 0,
) -> tuple[float, float]:
    """The middle LEVEL of the differences between two models in resamples of the same examples.

    A paired bootstrap (Efron & Tibshirani 1993, chapter 8): examples are drawn with replacement,
    each with what both models made of it. Of a series whole blocks of neighbours are drawn, since
    their errors are alike.

    Args:
        one, other: of each example a value for each model, such as 1 where it was right,
            (examples,).
        difference: what is asked, from both means.
        block: neighbours that are drawn together.
    """
    values = np.stack([one, other], 1).astype(np.float64)
    means = resampled_means(values, block, seed=seed)
    low, high = np.quantile(
        difference(means[:, 0], means[:, 1]), ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    return float(low), float(high)


def verdict(interval: tuple[float, float], other: str, shown: str, gains: bool, items: str) -> str:
    """In a sentence, what an interval of differences says of the first model.

    Args:
        shown: the interval in words.
        gains: whether a positive difference is one in its favour.
        items: what both were tried on, such as "texts".
    """
    low, high = interval if gains else (-interval[1], -interval[0])
    words = f"{shown}, {LEVEL:.0%} of resamples"
    if low > 0:
        return f"Better than '{other}' on these {items}: {words}."
    if high < 0:
        return f"Worse than '{other}' on these {items}: {words}."
    return f"These {items} cannot tell it apart from '{other}': {words}."
