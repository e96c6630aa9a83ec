"""How numba compiles the fused backend's arithmetic, and the numbers that it works with.

Numbers are float32, or bfloat16 as its bits in uint16, which NumPy lacks.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.extending import overload

Array = npt.NDArray[np.float32]
Narrow = npt.NDArray[Any]  # float32, or bfloat16 as uint16
Ids = npt.NDArray[np.int64]
f32 = np.float32
ZERO, HALF, ONE, TWO = f32(0.0), f32(0.5), f32(1.0), f32(2.0)
EPSILON = f32(1e-5)  # torch's, of layer normalization
SIXTEEN, ODD, BELOW_HALF = np.uint32(16), np.uint32(1), np.uint32(0x7FFF)
NAN = np.uint32(0x7FC0)  # in bfloat16

# tanh x = x p(x²) / q(x²) to 3e-7 up to LIMIT, beyond which it is ±1: Eigen's rational fit.
LIMIT = f32(7.90531110763549805)
P0, P1, P2 = f32(4.89352455891786e-03), f32(6.37261928875436e-04), f32(1.48572235717979e-05)
P3, P4 = f32(5.12229709037114e-08), f32(-8.60467152213735e-11)
P5, P6 = f32(2.00018790482477e-13), f32(-2.76076847742355e-16)
Q0, Q1 = f32(4.89352518554385e-03), f32(2.26843463243900e-03)
Q2, Q3 = f32(1.18534705686654e-04), f32(1.19825839466702e-06)

if config.CPU_FEATURES is None and "+avx512f" in get_host_cpu_features():
    # LLVM shuns the widest vectors of Intel's processors, for fear of a lower clock, which products
    # bring about in any case.
    config.CPU_FEATURES = f"{get_host_cpu_features()},-prefer-256-bit"


def has(feature: str) -> bool:
    """Whether the processor that numba compiles for has this, by LLVM's name for it."""
    features = config.CPU_FEATURES  # as NUMBA_CPU_FEATURES or NUMBA_CPU_NAME=generic say
    features = get_host_cpu_features() if features is None else features
    return f"+{feature}" in features.split(",")


# With Python's own rules for division by zero no loop with a quotient would vectorize.
RULES: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
OPTIONS: Any = RULES  # numba types them more narrowly
# Of what is compiled into others: numba only sees whether a function's own file has changed.
FILES = sorted(Path(__file__).parent.rglob("*.py"))
SOURCES = sha256(b"".join(each.read_bytes() for each in FILES)).hexdigest()[:8]
Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """Compile a function into those that call it."""
    return cast(Function, njit(**RULES, inline="always")(function))


def joined(function: Function) -> Function:
    """Compile a function together with those that call it, which are compiled too."""
    return cast(Function, njit(**RULES)(function))


def fast(function: Function) -> Function:
    """Compile a function when it is first called, and keep the result for the next process."""
    function.__qualname__ += f"_{SOURCES}"
    try:
        return cast(Function, njit(**RULES, cache=True, nogil=True)(function))
    except RuntimeError:
        # Neither this folder nor the user's can be written.
        return cast(Function, njit(**RULES, nogil=True)(function))


@inlined
def tanh(x: np.float32) -> np.float32:
    # In this order, NaN stays NaN.
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    y = x * x
    p = x * (P0 + y * (P1 + y * (P2 + y * (P3 + y * (P4 + y * (P5 + y * P6))))))
    return p / (Q0 + y * (Q1 + y * (Q2 + y * Q3)))


@inlined
def sigmoid(x: np.float32) -> np.float32:
    return HALF * tanh(HALF * x) + HALF


def widen(x: Any) -> Any:
    """A number of either type, as float32."""
    return x


@overload(widen, jit_options=OPTIONS)
def widen_typed(x: Any) -> Callable[[Any], Any]:
    def same(x: Any) -> Any:
        return x

    def shifted(x: Any) -> Any:
        return np.uint32(np.uint32(x) << SIXTEEN).view(np.float32)

    return shifted if x == types.uint16 else same


@inlined
def narrowed(x: np.float32) -> np.uint32:
    """The bits of the nearest bfloat16, of two equally near of the even one; NaN stays NaN."""
    bits = np.float32(x).view(np.uint32)
    nearest = np.uint32((bits + BELOW_HALF + ((bits >> SIXTEEN) & ODD)) >> SIXTEEN)
    return NAN if x != x else nearest


@inlined
def get(row: Narrow, to: Array) -> None:
    """Read a row of either type."""
    for j in range(row.shape[0]):
        to[j] = widen(row[j])


def put(row: Any, to: Any) -> None:
    """Write a row of either type."""
    to[:] = row


@overload(put, jit_options=OPTIONS)
def put_typed(row: Any, to: Any) -> Callable[[Any, Any], None]:
    def exactly(row: Any, to: Any) -> None:
        for j in range(row.shape[0]):
            to[j] = row[j]

    def rounded(row: Any, to: Any) -> None:
        for j in range(row.shape[0]):
            to[j] = np.uint16(narrowed(row[j]))

    return rounded if to.dtype == types.uint16 else exactly


@inlined
def add(row: Array, to: Array) -> None:
    for j in range(row.shape[0]):
        to[j] += row[j]


@inlined
def add_product(row: Narrow, to: Array) -> None:
    for j in range(row.shape[0]):
        to[j] += widen(row[j])
