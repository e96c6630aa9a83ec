"""Products in bfloat16 inside of compiled code, by the tile registers of Intel's processors (AMX).

A tile holds 16 rows of 64 bytes. One instruction multiplies a tile of x, 16 rows by 32 numbers,
with one of the matrix, 32 numbers by 16 columns, and adds to one of the product, in float32. The
matrix is packed into such tiles once, and then multiplies one state after another (`tiles.py`).

Shapes:
    x (M, K), K a multiple of 32, as bits in uint16
    panels (N / 16, K / 32, 16, 16), of each 16 columns the tiles; a tile's entry [k, n] is rows 2k
        and 2k + 1 of its column n, side by side in 32 bits
    product (M, N), N a multiple of 16, in float32
"""

import ctypes
import functools
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charlm.kernels import availability
from charlm.kernels.jit import Floats, Numbers, jit, processor_has
from charlm.kernels.tiles import INT, row_pointer

EDGE, DEPTH = 16, 32  # of a tile: its rows or columns, and numbers in each
BYTES = 64  # of a row
SUMS, FACTORS, WEIGHTS = (0, 1, 2, 3), (4, 5), (6, 7)  # the eight registers
BYTE = ir.IntType(8)
# Of Linux's system call that asks for the registers (asm/prctl.h).
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18


@functools.cache
def available() -> bool:
    """Whether the processor multiplies so, and system and user (CHARLM_KERNELS) let it."""
    if availability.choice() == "generic":
        return False
    return processor_has("amx-tile") and processor_has("amx-bf16") and permitted()


def permitted() -> bool:
    """Ask Linux for the tile registers, which each process has to do before it uses them."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        system_call = ctypes.CDLL(None).syscall
    except (AttributeError, OSError):
        return False
    numbers = (ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
    return bool(system_call(*map(ctypes.c_long, numbers)) == 0)


def fits(K: int, N: int) -> bool:
    """Whether a matrix (K, N) is a whole number of tiles."""
    return K % DEPTH == 0 and N % EDGE == 0


def packed_shape(K: int, N: int) -> tuple[int, ...]:
    """Of the panels of a matrix (K, N)."""
    return N // EDGE, K // DEPTH, EDGE, DEPTH // 2


@jit
def multiply(x: Numbers, first: int, end: int, panels: Any, product: Floats) -> None:
    """Compute the product's rows from `first` to before `end`."""
    # The last tiles overlap those before them, and make some rows twice.
    rows = min(end - first, EDGE)
    last = end - rows
    configure(rows)
    if end - first > EDGE:
        for i in range(first, end, 2 * EDGE):
            upper, lower = min(i, last), min(i + EDGE, last)
            for number in range(0, panels.shape[0] - 1, 2):
                square(x, upper, lower, panels, number, product)
            if panels.shape[0] % 2:
                column(x, upper, lower, panels, panels.shape[0] - 1, product)
    else:
        whole = panels.shape[0] // 4 * 4
        for number in range(0, whole, 4):
            row(x, first, first, panels, number, product)
        for number in range(whole, panels.shape[0]):
            single(x, first, first, panels, number, product)
    release()


def block_of(rows: int, columns: int) -> Any:
    """A function that makes so many tiles of a product, below and beside each other.

    Its arguments are those of `multiply`, with the first row of the upper and of the lower tiles,
    and the number of the first panel, instead of `first` and `end`.
    """

    @intrinsic
    def block(
        typing: Any, x: Any, upper: Any, lower: Any, panels: Any, number: Any, product: Any
    ) -> Any:
        arguments = (x, upper, lower, panels, number, product)
        return types.void(*arguments), lambda *about: generate_block(rows, columns, *about)

    return block


def generate_block(
    rows: int, columns: int, context: Any, builder: Any, signature: Any, values: Any
) -> Any:
    """Write a block's code."""
    x, panels, product = (
        context.make_array(signature.args[place])(context, builder, value=values[place])
        for place in (0, 3, 5)
    )
    x_stride, product_stride = (
        cgutils.unpack_tuple(builder, each.strides)[0] for each in (x, product)
    )
    tiles = cgutils.unpack_tuple(builder, panels.shape)[1]
    firsts = values[1:3][:rows]
    numbers = [builder.add(values[4], INT(c)) for c in range(columns)]
    factors = [row_pointer(builder, x, first, BYTE) for first in firsts]
    weights = [row_pointer(builder, panels, number, BYTE) for number in numbers]
    for sum_ in SUMS[: rows * columns]:
        instruction(builder, "tilezero", BYTE(sum_))
    with cgutils.for_range(builder, tiles) as loop:
        along = builder.mul(loop.index, INT(BYTES))
        for register, start in zip(FACTORS, factors, strict=False):
            place = builder.gep(start, [along])
            instruction(builder, "tileloadd64", BYTE(register), place, x_stride)
        down = builder.mul(loop.index, INT(EDGE * BYTES))
        for c, start in enumerate(weights):
            weight, place = BYTE(WEIGHTS[c % 2]), builder.gep(start, [down])
            instruction(builder, "tileloadd64", weight, place, INT(BYTES))
            for r in range(rows):
                sum_, factor = BYTE(SUMS[r * columns + c]), BYTE(FACTORS[r])
                instruction(builder, "tdpbf16ps", sum_, factor, weight)
    for r, first in enumerate(firsts):
        start = row_pointer(builder, product, first, BYTE)
        for c, number in enumerate(numbers):
            place = builder.gep(start, [builder.mul(number, INT(BYTES))])
            sum_ = BYTE(SUMS[r * columns + c])
            instruction(builder, "tilestored64", sum_, place, product_stride)
    return context.get_dummy_value()


def configuring(typing: Any, rows: Any) -> Any:
    """Prepare the registers for sums and factors of so many rows."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        # The palette, and from bytes 16 and 48 on each register's bytes in a row, and rows.
        kind = ir.ArrayType(BYTE, 64)
        table = cgutils.alloca_once_value(builder, ir.Constant(kind, None))
        start = builder.bitcast(table, BYTE.as_pointer())
        entries = {0: BYTE(1)}
        for register in (*SUMS, *FACTORS, *WEIGHTS):
            entries[16 + 2 * register] = BYTE(BYTES)
            entries[48 + register] = BYTE(EDGE)
        for register in (*SUMS, *FACTORS):
            entries[48 + register] = builder.trunc(values[0], BYTE)
        for place, entry in entries.items():
            builder.store(entry, builder.gep(start, [INT(place)]))
        instruction(builder, "ldtilecfg", start)
        return context.get_dummy_value()

    return types.void(rows), generate


def releasing(typing: Any) -> Any:
    """Give the registers back."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        instruction(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


def instruction(builder: Any, name: str, *operands: Any) -> None:
    """One of the processor's, by LLVM's name for it."""
    kind = ir.FunctionType(ir.VoidType(), [each.type for each in operands])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
    builder.call(function, operands)


configure: Any = intrinsic(configuring)
release: Any = intrinsic(releasing)
square, column, row, single = block_of(2, 2), block_of(2, 1), block_of(1, 4), block_of(1, 1)
