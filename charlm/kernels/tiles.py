"""Matrix products in float32 inside compiled code, without calls to a library.

A tile of the product, some rows by the width of a panel, stays in the vector registers while it is
summed, as in a BLAS (Goto & van de Geijn 2008). The matrix is packed into panels once, and then
multiplies one state after another.

Shapes:
    x (M, K)
    panels (P, K, width), the columns of a matrix (K, N), padded with zeros
    product (M, P·width)
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

from charlm.kernels.jit import OVERLOAD_RULES, Floats, jit, processor_has

VECTORS = 2  # per row of a tile
FEW_ROWS = 4  # of a low tile, which computes the last rows
INT, FLOAT = ir.IntType(64), ir.FloatType()


@cache
def registers() -> tuple[int, int]:
    """The number of the processor's vector registers, and of float32 in each."""
    if processor_has("avx512f"):
        return 32, 16
    if processor_has("avx2"):
        return 16, 8
    return (32, 4) if processor_has("neon") else (16, 4)


@cache
def panel_width() -> int:
    """Columns of a panel."""
    return VECTORS * registers()[1]


def padded_columns(N: int) -> int:
    """Columns of a product with a matrix of N columns, padding included."""
    return -(-N // panel_width()) * panel_width()


def packed_shape(K: int, N: int) -> tuple[int, ...]:
    """The shape of the panels of a matrix (K, N)."""
    return padded_columns(N) // panel_width(), K, panel_width()


def tile_rows() -> int:
    """Rows of a tile, whose sums take half of the registers."""
    return registers()[0] // 2 // VECTORS


@overload(tile_rows, jit_options=OVERLOAD_RULES)
def compiled_tile_rows() -> Callable[[], int]:
    rows = tile_rows()
    return lambda: rows


@jit
def multiply(x: Floats, first: int, end: int, panels: Floats, product: Floats) -> None:
    """Compute rows `first` to `end` (exclusive) of the product."""
    # Panels in the outer loop: each stays in the nearest cache for all rows.
    for number in range(panels.shape[0]):
        i = first
        while end - i > FEW_ROWS:
            tile(x, i, end, panels, number, product)
            i += tile_rows()
        if i < end:
            low_tile(x, i, end, panels, number, product)


def tile_of(rows: Callable[[], int]) -> Any:
    """An intrinsic that computes one tile of the product, with rows() rows; see `multiply`."""

    def typed(
        typing: Any, x: Any, first: Any, end: Any, panels: Any, number: Any, product: Any
    ) -> Any:
        arguments = (x, first, end, panels, number, product)
        return types.void(*arguments), lambda *args: generate_tile(rows(), *args)

    return intrinsic(typed)


def generate_tile(rows: int, context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Generate a tile's LLVM code, adding x[i, k] · panels[number, k] to row i for each k."""
    _, first, end, _, number, _ = values
    x, panels, product = (
        context.make_array(signature.args[place])(context, builder, value=values[place])
        for place in (0, 3, 5)
    )
    lanes = registers()[1]
    vector = ir.VectorType(FLOAT, lanes)
    # A tile always has all its rows: beyond the end they repeat the last one.
    last = builder.sub(end, INT(1))
    numbers = [builder.add(first, INT(i)) for i in range(rows)]
    numbers = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]
    x_rows = [row_pointer(builder, x, i) for i in numbers]
    panel = row_pointer(builder, panels, number)
    K = cgutils.unpack_tuple(builder, panels.shape)[1]

    entry, loop, done = builder.block, *(builder.append_basic_block() for _ in range(2))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INT)
    sums = [builder.phi(vector) for _ in range(rows * VECTORS)]
    weights = [builder.load(each, align=4) for each in vector_pointers(builder, panel, k, vector)]
    factors = [broadcast(builder, builder.load(builder.gep(row, [k])), vector) for row in x_rows]
    # On processors without fused multiply-add this becomes two operations.
    kind = ir.FunctionType(vector, [vector] * 3)
    add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{lanes}f32")
    pairs = zip(pairs_of(factors, weights), sums, strict=True)
    next_sums = [builder.call(add, [*pair, sum_]) for pair, sum_ in pairs]
    next_k = builder.add(k, INT(1))
    k.add_incoming(INT(0), entry)
    k.add_incoming(next_k, loop)
    for sum_, next_sum in zip(sums, next_sums, strict=True):
        sum_.add_incoming(ir.Constant(vector, None), entry)
        sum_.add_incoming(next_sum, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, K), loop, done)

    builder.position_at_end(done)
    rows_of_product = (row_pointer(builder, product, i) for i in numbers)
    places = (vector_pointers(builder, row, number, vector) for row in rows_of_product)
    for sum_, place in zip(next_sums, chain.from_iterable(places), strict=True):
        builder.store(sum_, place, align=4)
    return context.get_dummy_value()


def row_pointer(builder: Any, array: Any, i: Any, kind: Any = FLOAT) -> Any:
    """A pointer to row i of an array, with elements of the LLVM type `kind`."""
    stride = cgutils.unpack_tuple(builder, array.strides)[0]
    start = builder.bitcast(array.data, cgutils.voidptr_t)
    return builder.bitcast(builder.gep(start, [builder.mul(i, stride)]), kind.as_pointer())


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
