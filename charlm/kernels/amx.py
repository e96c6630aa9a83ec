"""Matrix products in bfloat16 by the tile registers (AMX) of Intel's processors.

A tile register holds 16 rows of 64 bytes. One instruction multiplies a tile of x (16 rows of 32
numbers) by a tile of the matrix (32 rows of 16 numbers) and adds the result to a tile of the
product (16 × 16 float32). The matrix is packed into tiles once, and then multiplies one state after
another, as in `tiles.py`.

Shapes:
    x (M, K), K a multiple of 32, bfloat16 as bits in uint16
    panels (N / 16, K / 32, 16, 16), for every 16 columns their tiles, from top to bottom; entry
        [k, n] of a tile holds rows 2k and 2k + 1 of its column n, in 32 bits
    product (M, N), N a multiple of 16, in float32
"""

import ctypes
import functools
import sys
from itertools import product
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charlm.kernels import availability
from charlm.kernels.jit import Floats, Numbers, jit, processor_has
from charlm.kernels.tiles import INT, row_pointer

EDGE, DEPTH = 16, 32  # rows or columns of a tile, bfloat16 numbers in each
BYTES = 64  # in each row or column
SUMS, FACTORS, WEIGHTS = (0, 1, 2, 3), (4, 5), (6, 7)  # the eight tile registers
BYTE = ir.IntType(8)
# Linux's system call that requests the tile registers (asm/prctl.h).
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18


@functools.cache
def available() -> bool:
    """Whether the processor has AMX, and the system and CHARLM_KERNELS permit its use."""
    if availability.choice() == "generic":
        return False
    return processor_has("amx-tile") and processor_has("amx-bf16") and permitted()


def permitted() -> bool:
    """Request the tile registers from Linux, as every process must; return whether it agrees."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        system_call = ctypes.CDLL(None).syscall
    except (AttributeError, OSError):
        return False
    numbers = (ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
    return bool(system_call(*map(ctypes.c_long, numbers)) == 0)


def fits(K: int, N: int) -> bool:
    """Whether a matrix (K, N) consists of whole tiles."""
    return K % DEPTH == 0 and N % EDGE == 0


def packed_shape(K: int, N: int) -> tuple[int, ...]:
    """The shape of the panels of a matrix (K, N)."""
    return N // EDGE, K // DEPTH, EDGE, DEPTH // 2


@jit
def multiply(x: Numbers, first: int, end: int, panels: Any, product: Floats) -> None:
    """Compute rows `first` to `end` (exclusive) of the product."""
    # The last tiles overlap the previous ones, computing some rows twice, to be of full size.
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
    """An intrinsic that computes a block of rows × columns tiles of the product.

    It takes the arguments of `multiply`, except that `upper` and `lower`, the first rows of the
    upper and lower tiles, replace `first` and `end`, and `number` is that of the first panel.
    """

    @intrinsic
    def block(
        typing: Any, x: Any, upper: Any, lower: Any, panels: Any, number: Any, product: Any
    ) -> Any:
        arguments = (x, upper, lower, panels, number, product)
        return types.void(*arguments), lambda *args: generate_block(rows, columns, *args)

    return block


def generate_block(
    rows: int, columns: int, context: Any, builder: Any, signature: Any, values: Any
) -> Any:
    """Generate the LLVM code of a block."""
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


def squaring(typing: Any, rounds: Any, factors: Any) -> Any:
    """Intrinsic that multiplies tiles in their registers, four products a round, for `peak.py`.

    Args:
        factors: (EDGE, DEPTH), what all tiles hold.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(factors)(context, builder, value=values[1])
        start = builder.bitcast(array.data, BYTE.as_pointer())
        for register in (*FACTORS, *WEIGHTS):
            instruction(builder, "tileloadd64", BYTE(register), start, INT(BYTES))
        for sum_ in SUMS:
            instruction(builder, "tilezero", BYTE(sum_))
        pairs = list(product(FACTORS, WEIGHTS))
        with cgutils.for_range(builder, values[0]):
            for sum_, (factor, weight) in zip(SUMS, pairs, strict=True):
                instruction(builder, "tdpbf16ps", BYTE(sum_), BYTE(factor), BYTE(weight))
        return context.get_dummy_value()

    return types.void(rounds, factors), generate


def configuring(typing: Any, rows: Any) -> Any:
    """Intrinsic that configures the tile registers, with `rows` rows in sums and factors."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        # Byte 0: the palette. From 16 on: each register's bytes per row. From 48 on: its rows.
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
    """Intrinsic that releases the tile registers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        instruction(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


def instruction(builder: Any, name: str, *operands: Any) -> None:
    """Emit a processor instruction, by LLVM's name for it."""
    kind = ir.FunctionType(ir.VoidType(), [each.type for each in operands])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
    builder.call(function, operands)


multiply_tiles: Any = intrinsic(squaring)
configure: Any = intrinsic(configuring)
release: Any = intrinsic(releasing)
square, column, row, single = block_of(2, 2), block_of(2, 1), block_of(1, 4), block_of(1, 1)
