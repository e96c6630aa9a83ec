"""How numba compiles the arithmetic of this package, and its elementary functions.

Numbers are float32, or bfloat16 as bits in uint16, since NumPy has no bfloat16.
"""

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any]  # float32, or bfloat16 as uint16
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
f32 = np.float32
ZERO, HALF, ONE = f32(0.0), f32(0.5), f32(1.0)
SIXTEEN, ODD, BELOW_HALF = np.uint32(16), np.uint32(1), np.uint32(0x7FFF)
BFLOAT16_NAN = np.uint32(0x7FC0)

# tanh x = x p(x²) / q(x²) to within 3e-7 up to LIMIT, and ±1 beyond: Eigen's rational fit.
LIMIT = f32(7.90531110763549805)
P0, P1, P2 = f32(4.89352455891786e-03), f32(6.37261928875436e-04), f32(1.48572235717979e-05)
P3, P4 = f32(5.12229709037114e-08), f32(-8.60467152213735e-11)
P5, P6 = f32(2.00018790482477e-13), f32(-2.76076847742355e-16)
Q0, Q1 = f32(4.89352518554385e-03), f32(2.26843463243900e-03)
Q2, Q3 = f32(1.18534705686654e-04), f32(1.19825839466702e-06)

# "contract" permits fused multiply-add. Python's check for division by zero would keep loops with
# a quotient from being vectorized; NumPy's error model has none.
RULES: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
OVERLOAD_RULES: Any = RULES  # numba's annotations are narrower
Function = TypeVar("Function", bound=Callable[..., Any])


def use_widest_vectors() -> None:
    """Make numba use 512-bit vectors on processors that have them.

    LLVM avoids them on Intel's processors because they lower the clock, which the matrix products
    do in any case. This must be called before anything is compiled.
    """
    if config.CPU_FEATURES is None and "+avx512f" in get_host_cpu_features():
        config.CPU_FEATURES = f"{get_host_cpu_features()},-prefer-256-bit"


def processor_has(feature: str) -> bool:
    """Whether the processor that numba compiles for has a feature, by LLVM's name for it."""
    features = config.CPU_FEATURES  # set by NUMBA_CPU_FEATURES or NUMBA_CPU_NAME=generic
    features = get_host_cpu_features() if features is None else features
    return f"+{feature}" in features.split(",")


@cache
def hash_of_sources(folder: Path) -> str:
    """A hash of all source files of a package."""
    files = sorted(folder.glob("*.py"))
    return sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:8]


use_widest_vectors()


def jit_inline(function: Function) -> Function:
    """Compile a function inline into its callers."""
    return cast(Function, njit(**RULES, inline="always")(function))


def jit(function: Function) -> Function:
    """Compile a function that is called only from compiled code, together with its callers."""
    return cast(Function, njit(**RULES)(function))


def jit_cached(function: Function, rules: Mapping[str, Any] = RULES) -> Function:
    """Compile a function on its first call, and cache the result on disk for later processes."""
    # Numba checks only the function's own file for changes, not those of the functions it calls.
    sources = hash_of_sources(Path(function.__code__.co_filename).parent)
    function.__qualname__ += f"_{sources}"
    try:
        return cast(Function, njit(**rules, cache=True, nogil=True)(function))
    except RuntimeError:
        # Neither its folder nor the user's cache is writable.
        return cast(Function, njit(**rules, nogil=True)(function))


def jit_exactly(function: Function) -> Function:
    """Compile a function so that it gives the same bits as in plain Python, and cache it."""
    return jit_cached(function, {"error_model": "numpy"})


@jit_inline
def tanh(x: np.float32) -> np.float32:
    # Written so that NaN stays NaN.
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    y = x * x
    p = x * (P0 + y * (P1 + y * (P2 + y * (P3 + y * (P4 + y * (P5 + y * P6))))))
    return p / (Q0 + y * (Q1 + y * (Q2 + y * Q3)))


@jit_inline
def sigmoid(x: np.float32) -> np.float32:
    return HALF * tanh(HALF * x) + HALF


def to_float32(x: Any) -> Any:
    """Convert a number of either type to float32."""
    return x


@overload(to_float32, jit_options=OVERLOAD_RULES)
def to_float32_by_type(x: Any) -> Callable[[Any], Any]:
    def same(x: Any) -> Any:
        return x

    def shifted(x: Any) -> Any:
        return np.uint32(np.uint32(x) << SIXTEEN).view(np.float32)

    return shifted if x == types.uint16 else same


@jit_inline
def to_bfloat16_bits(x: np.float32) -> np.uint32:
    """The bits of the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = np.float32(x).view(np.uint32)
    nearest = np.uint32((bits + BELOW_HALF + ((bits >> SIXTEEN) & ODD)) >> SIXTEEN)
    return BFLOAT16_NAN if x != x else nearest


@jit_inline
def read_row(row: Numbers, to: Floats) -> None:
    """Copy a row of either type to a row of float32."""
    for j in range(row.shape[0]):
        to[j] = to_float32(row[j])


def write_row(row: Any, to: Any) -> None:
    """Copy a row of float32 to a row of either type."""
    to[:] = row


@overload(write_row, jit_options=OVERLOAD_RULES)
def write_row_by_type(row: Any, to: Any) -> Callable[[Any, Any], None]:
    def exactly(row: Any, to: Any) -> None:
        for j in range(row.shape[0]):
            to[j] = row[j]

    def rounded(row: Any, to: Any) -> None:
        for j in range(row.shape[0]):
            to[j] = np.uint16(to_bfloat16_bits(row[j]))

    def rounded_by_vectors(row: Any, to: Any) -> None:
        whole = row.shape[0] // 16 * 16
        round_vectors(row[:whole], to)
        for j in range(whole, row.shape[0]):
            to[j] = np.uint16(to_bfloat16_bits(row[j]))

    if to.dtype != types.uint16:
        return exactly
    # Elsewhere it takes half a dozen instructions.
    return rounded_by_vectors if processor_has("avx512bf16") else rounded


def rounding_vectors(typing: Any, row: Any, to: Any) -> Any:
    """Intrinsic that rounds float32 to bfloat16 by AVX512-BF16, 16 numbers at a time."""
    f32_vector = ir.VectorType(ir.FloatType(), 16)
    bits_vector = ir.VectorType(ir.IntType(16), 16)
    kind, name = ir.FunctionType(bits_vector, [f32_vector]), "llvm.x86.avx512bf16.cvtneps2bf16.512"

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        row, to = (
            context.make_array(kind)(context, builder, value=value)
            for kind, value in zip(signature.args, values, strict=True)
        )
        round_vector = cgutils.get_or_insert_function(builder.module, kind, name)
        count, int64 = cgutils.unpack_tuple(builder, row.shape)[0], ir.IntType(64)
        with cgutils.for_range(builder, builder.udiv(count, int64(16))) as loop:
            first = builder.mul(loop.index, int64(16))
            source, place = (builder.gep(each.data, [first]) for each in (row, to))
            numbers = builder.load(builder.bitcast(source, f32_vector.as_pointer()), align=4)
            bits = builder.call(round_vector, [numbers])
            builder.store(bits, builder.bitcast(place, bits_vector.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(row, to), generate


round_vectors: Any = intrinsic(rounding_vectors)


@jit_inline
def add_row(row: Numbers, to: Floats) -> None:
    """Add a row of either type to a row of float32."""
    for j in range(row.shape[0]):
        to[j] += to_float32(row[j])
