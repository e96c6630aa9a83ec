"""Matrix products inside compiled code, without calls to a library.

A tile of the product, some rows by the width of a panel, stays in the vector registers while it is
summed, as in a BLAS (Goto & van de Geijn 2008). The matrix is packed into panels once, and then
multiplies one state after another.

Factors are float32; or bfloat16, two by two, where the processor multiplies such pairs: one
instruction (AVX512-BF16) adds x[k] m[k] + x[k+1] m[k+1] to a sum in float32.

Shapes:
    x (M, K), float32; or bfloat16 as bits in uint16, K even
    panels (P, K, width) in float32, the columns of a matrix (K, N), padded with zeros; or
        (P, K / 2, width) in int32, whose entries hold rows 2k and 2k + 1 of a column in bfloat16
    product (M, P·width), float32
"""

from collections.abc import Callable
from functools import cache
from itertools import chain
from itertools import product as pairs_of
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from charlm.kernels import availability
from charlm.kernels.jit import OVERLOAD_RULES, Floats, Numbers, jit, processor_has

VECTORS = 2  # per row of a tile
FEW_ROWS = 4  # of a low tile, which computes the last rows
SIDE_BY_SIDE = 4  # panels of a wide tile, which computes part of a single row
INT, FLOAT, PAIR = ir.IntType(64), ir.FloatType(), ir.IntType(32)


@cache
def registers() -> tuple[int, int]:
    """The number of the processor's vector registers, and of float32 in each."""
    if processor_has("avx512f"):
        return 32, 16
    if processor_has("avx2"):
        return 16, 8
    return (32, 4) if processor_has("neon") else (16, 4)


@cache
def multiplies_pairs() -> bool:
    """Whether the processor multiplies pairs of bfloat16, and CHARLM_KERNELS permits that."""
    return availability.choice() != "generic" and processor_has("avx512bf16")


@cache
def panel_width() -> int:
    """Columns of a panel."""
    return VECTORS * registers()[1]


def padded_columns(N: int) -> int:
    """Columns of a product with a matrix of N columns, padding included."""
    return -(-N // panel_width()) * panel_width()


def packed_shape(K: int, N: int, bfloat16: bool = False) -> tuple[int, ...]:
    """The shape of the panels of a matrix (K, N)."""
    return padded_columns(N) // panel_width(), K // 2 if bfloat16 else K, panel_width()


def tile_rows() -> int:
    """Rows of a tile, whose sums take half of the registers."""
    return registers()[0] // 2 // VECTORS


@overload(tile_rows, jit_options=OVERLOAD_RULES)
def compiled_tile_rows() -> Callable[[], int]:
    rows = tile_rows()
    return lambda: rows


@overload(panel_width, jit_options=OVERLOAD_RULES)
def compiled_panel_width() -> Callable[[], int]:
    width = panel_width()
    return lambda: width


@jit
def multiply(x: Numbers, first: int, end: int, panels: Any, product: Floats) -> None:
    """Compute rows `first` to `end` (exclusive) of the product."""
    if end - first == 1:
        multiply_row(x, first, panels, product)
        return
    # Panels in the outer loop: each stays in the nearest cache for all rows.
    for number in range(panels.shape[0]):
        i = first
        while end - i > FEW_ROWS:
            tile(x, i, end, panels, number, product)
            i += tile_rows()
        if i < end:
            low_tile(x, i, end, panels, number, product)


@jit
def multiply_row(x: Numbers, i: int, panels: Any, product: Floats) -> None:
    """Compute row i of the product: as many sums at once as in a tile, side by side."""
    whole = panels.shape[0] // SIDE_BY_SIDE * SIDE_BY_SIDE
    for number in range(0, whole, SIDE_BY_SIDE):
        wide_tile(x, i, i + 1, panels, number, product)
    for number in range(whole, panels.shape[0]):
        low_tile(x, i, i + 1, panels, number, product)


def tile_of(rows: Callable[[], int], adds: bool = False, across: int = 1) -> Any:
    """An intrinsic that computes one tile of the product, with rows() rows; see `multiply`.

    Args:
        adds: whether it is added to what stands there.
        across: over how many panels it reaches.
    """

    def typed(
        typing: Any, x: Any, first: Any, end: Any, panels: Any, number: Any, product: Any
    ) -> Any:
        arguments = (x, first, end, panels, number, product)
        return types.void(*arguments), lambda *args: generate_tile(rows(), adds, across, *args)

    return intrinsic(typed)


def generate_tile(
    rows: int, adds: bool, across: int, context: Any, builder: Any, signature: Any, values: Any
) -> Any:
    """Generate a tile's LLVM code, adding x[i, k] · panels[number, k] to row i for each k.

    With pairs of bfloat16, k counts pairs.
    """
    _, first, end, _, number, _ = values
    x, panels, product = (
        context.make_array(signature.args[place])(context, builder, value=values[place])
        for place in (0, 3, 5)
    )
    lanes = registers()[1]
    factor = PAIR if signature.args[3].dtype == types.int32 else FLOAT
    vector, factors_of = ir.VectorType(FLOAT, lanes), ir.VectorType(factor, lanes)
    # A tile always has all its rows: beyond the end they repeat the last one.
    last = builder.sub(end, INT(1))
    numbers = [builder.add(first, INT(i)) for i in range(rows)]
    numbers = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]
    x_rows = [row_pointer(builder, x, i, factor) for i in numbers]
    panel_numbers = [builder.add(number, INT(i)) for i in range(across)]
    starts_of_panels = [row_pointer(builder, panels, each, factor) for each in panel_numbers]
    places_of_rows = pairs_of((row_pointer(builder, product, i) for i in numbers), panel_numbers)
    pieces = (vector_pointers(builder, row, each, vector) for row, each in places_of_rows)
    sums_at = list(chain.from_iterable(pieces))
    zero = ir.Constant(vector, None)
    first_sums = [builder.load(each, align=4) if adds else zero for each in sums_at]
    K = cgutils.unpack_tuple(builder, panels.shape)[1]
    stride = cgutils.unpack_tuple(builder, x.strides)[1]
    if signature.args[0].dtype == types.uint16:
        stride = builder.mul(stride, INT(2))

    entry, loop, done = builder.block, *(builder.append_basic_block() for _ in range(2))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INT)
    sums = [builder.phi(vector) for _ in sums_at]
    places = (vector_pointers(builder, each, k, factors_of) for each in starts_of_panels)
    weights = [builder.load(each, align=4) for each in chain.from_iterable(places)]
    along = builder.mul(k, stride)
    starts = (moved_pointer(builder, row, along, factor) for row in x_rows)
    factors = [broadcast(builder, builder.load(each, align=2), factors_of) for each in starts]
    pairs = zip(pairs_of(factors, weights), sums, strict=True)
    next_sums = [multiply_add(builder, *pair, sum_) for pair, sum_ in pairs]
    next_k = builder.add(k, INT(1))
    k.add_incoming(INT(0), entry)
    k.add_incoming(next_k, loop)
    for sum_, first_sum, next_sum in zip(sums, first_sums, next_sums, strict=True):
        sum_.add_incoming(first_sum, entry)
        sum_.add_incoming(next_sum, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, K), loop, done)

    builder.position_at_end(done)
    for sum_, place in zip(next_sums, sums_at, strict=True):
        builder.store(sum_, place, align=4)
    return context.get_dummy_value()


def multiply_add(builder: Any, factor: Any, weight: Any, sum_: Any) -> Any:
    """The vector sum_ + factor · weight, of float32 or of pairs of bfloat16."""
    vector = sum_.type
    if factor.type.element == PAIR:
        name, values = "llvm.x86.avx512bf16.dpbf16ps.512", [sum_, factor, weight]
    else:
        # On processors without fused multiply-add this becomes two operations.
        name, values = f"llvm.fmuladd.v{vector.count}f32", [factor, weight, sum_]
    kind = ir.FunctionType(vector, [each.type for each in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def row_pointer(builder: Any, array: Any, i: Any, kind: Any = FLOAT) -> Any:
    """A pointer to row i of an array, with elements of the LLVM type `kind`."""
    stride = cgutils.unpack_tuple(builder, array.strides)[0]
    return moved_pointer(builder, array.data, builder.mul(i, stride), kind)


def moved_pointer(builder: Any, pointer: Any, distance: Any, kind: Any) -> Any:
    """The pointer that lies so many bytes behind another, to elements of the LLVM type `kind`."""
    start = builder.bitcast(pointer, cgutils.voidptr_t)
    return builder.bitcast(builder.gep(start, [distance]), kind.as_pointer())


def vector_pointers(builder: Any, row: Any, number: Any, vector: Any) -> list[Any]:
    """Pointers to the vectors of piece `number` of a row; all pieces are as wide as a tile."""
    first = builder.mul(number, INT(VECTORS * vector.count))
    places = (builder.add(first, INT(v * vector.count)) for v in range(VECTORS))
    return [builder.bitcast(builder.gep(row, [each]), vector.as_pointer()) for each in places]


def broadcast(builder: Any, number: Any, vector: Any) -> Any:
    """A vector with `number` in every lane."""
    nothing = ir.Constant(vector, ir.Undefined)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, lanes)


tile, low_tile = tile_of(tile_rows), tile_of(lambda: FEW_ROWS)
adding_tile = tile_of(tile_rows, adds=True)
wide_tile = tile_of(lambda: 1, across=SIDE_BY_SIDE)
