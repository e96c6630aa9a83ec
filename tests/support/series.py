"""Series with a known mean, whose values are like their neighbours."""

import numpy as np
import numpy.typing as npt


def autoregressive(number: int, n: int, phi: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """So many stationary series x_t = φ x_{t-1} + noise of mean 0, (number, n)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(number, n))
    x[:, 0] /= np.sqrt(1 - phi**2)
    for t in range(1, n):
        x[:, t] += phi * x[:, t - 1]
    return x
