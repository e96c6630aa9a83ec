"""Independent random streams from one seed, so that drawing from one never disturbs another."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is used for."""

    INITIALIZATION = 0
    DATA_ORDER = 1
    DROPOUT = 2
    SAMPLING = 3
    DOCUMENTS = 4


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """A generator that depends only on the seed, the stream and the index (an epoch, a sample)."""
    return np.random.default_rng([seed, stream, *index])


def derived_seed(seed: int, stream: Stream) -> int:
    """A seed below 2**63 for other generators than NumPy's."""
    return int(generator(seed, stream).integers(2**63))
