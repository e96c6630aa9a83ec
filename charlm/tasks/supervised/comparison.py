"""Whether one model is better than another on the same examples, or cannot be told apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# A statistic of both models from the means of their values, (resamples,) each.
Difference = Callable[[Floats, Floats], Floats]

RESAMPLES = 4_000
# Of the resamples, in which the difference has to have the same sign.
SURE = 0.95
# Of more examples, so many groups of them stand for them all.
MOST_GROUPS = 10_000


def paired_interval(
    one: npt.NDArray[np.generic],
    other: npt.NDArray[np.generic],
    difference: Difference = lambda a, b: a - b,
    block: int = 1,
    seed: int = 0,
) -> tuple[float, float]:
    """The middle SURE of the differences between two models in resamples of the same examples.

    A paired bootstrap (Efron & Tibshirani 1993, chapter 8): examples are drawn with replacement,
    each with what both models made of it. Of a series whole blocks of neighbours are drawn, since
    their errors are alike (Künsch 1989).

    Args:
        one, other: of each example a value for each model, such as 1 where it was right,
            (examples,).
        difference: what is asked, from both means.
        block: neighbours that are drawn together.
    """
    random = np.random.default_rng(seed)
    values = np.stack([one, other], 1).astype(np.float64)
    if block == 1 and len(values) > MOST_GROUPS:
        values = np.stack(
            [each.mean(0) for each in np.array_split(random.permutation(values), MOST_GROUPS)]
        )
    block = min(block, len(values))
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(values, 0)])
    blocks = (sums[block:] - sums[:-block]) / block
    drawn = -(-len(values) // block)
    means = np.stack(
        [blocks[random.integers(0, len(blocks), drawn)].mean(0) for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(difference(means[:, 0], means[:, 1]), ((1 - SURE) / 2, (1 + SURE) / 2))
    return float(low), float(high)


def verdict(interval: tuple[float, float], other: str, shown: str, gains: bool, items: str) -> str:
    """In a sentence, what an interval of differences says of the first model.

    Args:
        shown: the interval in words.
        gains: whether a positive difference is one in its favour.
        items: what both were tried on, such as "texts".
    """
    low, high = interval if gains else (-interval[1], -interval[0])
    words = f"{shown}, {SURE:.0%} of resamples"
    if low > 0:
        return f"Better than '{other}' on these {items}: {words}."
    if high < 0:
        return f"Worse than '{other}' on these {items}: {words}."
    return f"These {items} cannot tell it apart from '{other}': {words}."
