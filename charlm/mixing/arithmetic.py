"""Compiled functions, where the folder charlm/kernels is; exp and log, the same on every machine.

Whoever decompresses must come to the very same numbers as whoever compressed, compiled or not. So
these functions use nothing but operations that IEEE 754 defines to the last bit.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from charlm.errors import value_error_as_usage_error

Floats = npt.NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

try:
    from charlm.kernels import choice
    from charlm.kernels import compiled as compiled
except ImportError:  # The folder charlm/kernels is gone: the same, slower.

    def compiled(function: Function) -> Function:
        return function
else:
    with value_error_as_usage_error():
        choice()


LN_2 = math.log(2)
SQRT_HALF = math.sqrt(0.5)
LEAST = -700.0  # Whatever is less counts as this, so that no probability is 0.


def is_compiled() -> bool:
    """Whether these functions are compiled."""
    return hasattr(log, "py_func")


@compiled
def log(x: float) -> float:
    """The natural logarithm of a positive number, to within 1e-15 of its size or 1e-16."""
    fraction, exponent = math.frexp(x)
    if fraction < SQRT_HALF:
        fraction, exponent = 2.0 * fraction, exponent - 1
    # ln f = 2 artanh s, as a series. |s| is below 0.172.
    s = (fraction - 1.0) / (fraction + 1.0)
    square, power, total = s * s, s, s
    for k in range(3, 21, 2):
        power *= square
        total += power / k
    return 2.0 * total + exponent * LN_2


@compiled
def log_all(x: Floats) -> Floats:
    """The logarithm of each number."""
    logs = np.empty_like(x)
    for i in range(len(x)):
        logs[i] = log(x[i])
    return logs


@compiled
def exp(x: float) -> float:
    """The exponential function, from -700, or what is less, to 700."""
    x = LEAST if x < LEAST else x
    exponent = math.floor(x / LN_2 + 0.5)
    rest = x - exponent * LN_2  # at most 0.35 in size
    total = 1.0
    for k in range(13, 0, -1):
        total = 1.0 + total * rest / k
    return math.ldexp(total, exponent)
