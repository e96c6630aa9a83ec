"""Matrix products inside of compiled code: nothing is called, and no thread waits for another.

A tile of the product, some rows by the width of a panel, stays in the registers while its sums are
made, as in a BLAS (Goto & van de Geijn 2008). The matrix is laid out in panels once, and then
meets one state after another.

Shapes:
    x (M, K)
    panels (P, K, WIDTH), the columns of a matrix (K, N), and zeros
    product (M, P·WIDTH)
"""

from itertools import chain
from itertools import product as pairs_of
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charlm.rnn.compilation import Array, has, joined


def registers() -> tuple[int, int]:
    """How many vector registers the processor has, and how many float32 each of them holds."""
    if has("avx512f"):
        return 32, 16
    return (16, 8) if has("avx2") else (32, 4) if has("neon") else (16, 4)


REGISTERS, LANES = registers()
VECTORS = 2  # side by side in a tile
WIDTH = VECTORS * LANES
ROWS, FEW_ROWS = REGISTERS // 4, 4
INT, FLOAT, VECTOR = ir.IntType(64), ir.FloatType(), ir.VectorType(ir.FloatType(), LANES)


def padded(N: int) -> int:
    """The columns of a product with a matrix of N."""
    return -(-N // WIDTH) * WIDTH


def panels_shape(K: int, N: int) -> tuple[int, ...]:
    """Of the panels of a matrix (K, N)."""
    return padded(N) // WIDTH, K, WIDTH


@joined
def multiply(x: Array, first: int, end: int, panels: Array, product: Array) -> None:
    """Make the product's rows from `first` to before `end`."""
    # A panel stays in the nearest cache while all rows meet it.
    for number in range(panels.shape[0]):
        i = first
        while end - i > FEW_ROWS:
            tile(x, i, end, panels, number, product)
            i += ROWS
        if i < end:
            low_tile(x, i, end, panels, number, product)


def tile_of(rows: int) -> Any:
    """A function that makes so many rows of a product, by one panel's width; see `multiply`."""

    @intrinsic
    def tile(
        typing: Any, x: Any, first: Any, end: Any, panels: Any, number: Any, product: Any
    ) -> Any:
        arguments = (x, first, end, panels, number, product)
        return types.void(*arguments), lambda *about: generate(rows, *about)

    return tile


def generate(rows: int, context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Write a tile's code: for each k, x[i, k] · panels[number, k] adds to the sums of row i."""
    _, first, end, _, number, _ = values
    x, panels, product = (
        context.make_array(signature.args[place])(context, builder, value=values[place])
        for place in (0, 3, 5)
    )
    # Rows beyond the end are the last one again.
    last = builder.sub(end, INT(1))
    numbers = [builder.add(first, INT(i)) for i in range(rows)]
    numbers = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]
    of_x = [row_of(builder, x, i) for i in numbers]
    panel = row_of(builder, panels, number)
    K = cgutils.unpack_tuple(builder, panels.shape)[1]

    entry, loop, done = builder.block, *(builder.append_basic_block() for _ in range(2))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INT)
    sums = [builder.phi(VECTOR) for _ in range(rows * VECTORS)]
    weights = [builder.load(each, align=4) for each in vectors(builder, panel, k)]
    factors = [everywhere(builder, builder.load(builder.gep(row, [k]))) for row in of_x]
    # Where the processor has no fused operation, this becomes two.
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    pairs = zip(pairs_of(factors, weights), sums, strict=True)
    next_sums = [builder.call(add, [*pair, sum_]) for pair, sum_ in pairs]
    next_k = builder.add(k, INT(1))
    k.add_incoming(INT(0), entry)
    k.add_incoming(next_k, loop)
    for sum_, next_sum in zip(sums, next_sums, strict=True):
        sum_.add_incoming(ir.Constant(VECTOR, None), entry)
        sum_.add_incoming(next_sum, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, K), loop, done)

    builder.position_at_end(done)
    places = [vectors(builder, row_of(builder, product, i), number) for i in numbers]
    for sum_, place in zip(next_sums, chain(*places), strict=True):
        builder.store(sum_, place, align=4)
    return context.get_dummy_value()


def row_of(builder: Any, array: Any, i: Any, kind: Any = FLOAT) -> Any:
    """Where row i of an array begins, as a pointer to numbers of a kind."""
    stride = cgutils.unpack_tuple(builder, array.strides)[0]
    start = builder.bitcast(array.data, cgutils.voidptr_t)
    return builder.bitcast(builder.gep(start, [builder.mul(i, stride)]), kind.as_pointer())


def vectors(builder: Any, row: Any, number: Any) -> list[Any]:
    """Where the vectors of a row's piece begin: `number` pieces, of one width, stand before it."""
    first = builder.mul(number, INT(WIDTH))
    places = (builder.add(first, INT(v * LANES)) for v in range(VECTORS))
    return [builder.bitcast(builder.gep(row, [each]), VECTOR.as_pointer()) for each in places]


def everywhere(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, lanes)


tile, low_tile = tile_of(ROWS), tile_of(FEW_ROWS)
