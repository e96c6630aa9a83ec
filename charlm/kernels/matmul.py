"""The matrix products of a window: packing the matrix, and multiplying states by it."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

from charlm.kernels import amx, tiles
from charlm.kernels.jit import (
    OVERLOAD_RULES,
    SIXTEEN,
    ZERO,
    Floats,
    Numbers,
    jit,
    jit_cached,
    to_bfloat16_bits,
    to_float32,
)
from charlm.kernels.team import rows_of, run_in_team


def multiply(x: Any, first: int, end: int, panels: Any, product: Any) -> None:
    """Compute rows `first` to `end` of a product, by x's type in `tiles.py` or `amx.py`."""


@overload(multiply, jit_options=OVERLOAD_RULES)
def multiply_by_type(
    x: Any, first: Any, end: Any, panels: Any, product: Any
) -> Callable[[Any, Any, Any, Any, Any], None]:
    def float32(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        tiles.multiply(x, first, end, panels, product)

    def bfloat16(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        amx.multiply(x, first, end, panels, product)

    return bfloat16 if x.dtype == types.uint16 else float32


@jit
def multiply_rows(part: int, n_parts: int, x: Any, panels: Any, product: Any) -> None:
    """Compute a part of the product's rows."""
    mine = rows_of(part, n_parts, product.shape[0])
    multiply(x, mine.start, mine.stop, panels, product)


@jit
def multiply_columns(part: int, n_parts: int, x: Any, panels: Any, product: Any) -> None:
    """Compute a part of the product's columns, which are those of whole panels."""
    mine, width = rows_of(part, n_parts, panels.shape[0]), product.shape[1] // panels.shape[0]
    columns = product[:, mine.start * width : mine.stop * width]
    multiply(x, 0, product.shape[0], panels[mine.start : mine.stop], columns)


@jit
def pack_part(part: int, n_parts: int, matrix: Floats, panels: Floats) -> None:
    """Pack one part of the panels for `pack`."""
    K, N, width = matrix.shape[0], matrix.shape[1], panels.shape[2]
    for number in rows_of(part, n_parts, panels.shape[0]):
        first = number * width
        filled = min(width, N - first)
        for k in range(K):
            row = panels[number, k]
            for j in range(filled):
                row[j] = matrix[k, first + j]
            for j in range(filled, width):
                row[j] = ZERO


@jit
def pack_pairs_part(part: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack one part of the panels for `pack_pairs`."""
    for number in rows_of(part, n_parts, panels.shape[0]):
        for tile in range(panels.shape[1]):
            for k in range(amx.DEPTH // 2):
                row, above = panels[number, tile, k], amx.DEPTH * tile + 2 * k
                for n in range(amx.EDGE):
                    j = amx.EDGE * number + n
                    low = to_bfloat16_bits(to_float32(matrix[above, j]))
                    high = to_bfloat16_bits(to_float32(matrix[above + 1, j]))
                    row[n] = low | high << SIXTEEN


@jit_cached
def pack(team: int, n_threads: int, n_parts: int, matrix: Floats, panels: Floats) -> None:
    """Pack a matrix (K, N) into the panels of `tiles.py`."""
    run_in_team(team, n_threads, n_parts, pack_part, (matrix, panels))


@jit_cached
def pack_pairs(team: int, n_threads: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack a matrix (K, N) of either type into the bfloat16 panels of `amx.py`."""
    run_in_team(team, n_threads, n_parts, pack_pairs_part, (matrix, panels))
