"""The gradient of a matrix: one product over all rows of a window.

Both factors are packed into panels, a piece of some rows at a time, so that caches hold them.

Shapes:
    left (K, M), right (K, N), float32; or bfloat16 as bits in uint16, K even
    product (M, N), padded as `tiles.padded_columns`, float32
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

from charlm.kernels.jit import OVERLOAD_RULES, Floats, Numbers, jit, jit_cached
from charlm.kernels.matmul import entry_of, pack_piece, rows_of_entry
from charlm.kernels.team import rows_of, run_in_team
from charlm.kernels.tiles import adding_tile, packed_shape, tile_rows

DEPTH = 256  # rows of a panel: numbers, or pairs of bfloat16


def scratch_shapes(M: int, N: int, n_parts: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the scratch that `multiply_transposed` needs, of float32 or int32."""
    return (n_parts, DEPTH, -(-M // n_parts)), (n_parts, *packed_shape(DEPTH, N))


@jit
def multiply_part(
    part: int,
    n_parts: int,
    left: Numbers,
    right: Numbers,
    left_piece: Any,
    panels: Any,
    product: Floats,
) -> None:
    """Compute the rows of the product that belong to a part."""
    mine, columns = rows_of(part, n_parts, left.shape[1]), right.shape[1]
    own, per_entry = product[mine.start : mine.stop], rows_of_entry(panels)
    own[:] = 0
    for row in range(0, left.shape[0], per_entry * DEPTH):
        depth = min(DEPTH, (left.shape[0] - row) // per_entry)
        x = rows_to_multiply(left, row, mine.start, mine.stop, left_piece[part, :depth])
        piece = panels[part, :, :depth]
        pack_piece(right, row, 0, columns, piece)
        for number in range(piece.shape[0]):
            for i in range(0, own.shape[0], tile_rows()):
                adding_tile(x, i, own.shape[0], piece, number, own)


def rows_to_multiply(left: Any, row: int, first: int, end: int, piece: Any) -> Any:
    """The transpose of a piece of `left`, which pairs of bfloat16 are copied for."""


@overload(rows_to_multiply, jit_options=OVERLOAD_RULES)
def rows_to_multiply_by_type(
    left: Any, row: Any, first: Any, end: Any, piece: Any
) -> Callable[[Any, Any, Any, Any, Any], Any]:
    def numbers(left: Any, row: Any, first: Any, end: Any, piece: Any) -> Any:
        return left[row : row + piece.shape[0], first:end].T

    def pairs(left: Any, row: Any, first: Any, end: Any, piece: Any) -> Any:
        for k in range(piece.shape[0]):
            upper, lower = left[row + 2 * k][first:end], left[row + 2 * k + 1][first:end]
            to = piece[k]
            for j in range(upper.shape[0]):
                to[j] = entry_of(upper[j], lower[j], to)
        return piece[:, : end - first].T

    return pairs if piece.dtype == types.int32 else numbers


@jit_cached
def multiply_transposed(
    team: int,
    n_threads: int,
    n_parts: int,
    left: Numbers,
    right: Numbers,
    left_piece: Any,
    panels: Any,
    product: Floats,
) -> None:
    """Compute leftᵀ · right; for `left_piece` and `panels` see `scratch_shapes`."""
    arguments = (left, right, left_piece, panels, product)
    run_in_team(team, n_threads, n_parts, multiply_part, arguments)
