"""The matrix products of a window: packing the matrix, and multiplying states by it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from charlm.kernels import amx, tiles
from charlm.kernels.jit import (
    OVERLOAD_RULES,
    SIXTEEN,
    Floats,
    Numbers,
    jit,
    jit_cached,
    to_bfloat16_bits,
    write_row,
)
from charlm.kernels.team import rows_of, run_in_team
from charlm.kernels.tiles import panel_width

BLOCK = 64  # rows of a panel that are packed at a time
ROWS = 128  # that are multiplied at a time, so that they stay in a core's cache


def multiply(x: Any, first: int, end: int, panels: Any, product: Any) -> None:
    """Compute rows `first` to `end` of a product as in `tiles.py` or `amx.py`, by the panels."""


@overload(multiply, jit_options=OVERLOAD_RULES)
def multiply_by_type(
    x: Any, first: Any, end: Any, panels: Any, product: Any
) -> Callable[[Any, Any, Any, Any, Any], None]:
    def by_vectors(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        tiles.multiply(x, first, end, panels, product)

    def by_tile_registers(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        amx.multiply(x, first, end, panels, product)

    return by_tile_registers if panels.ndim == 4 else by_vectors


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
def multiply_all_part(
    part: int, n_parts: int, x: Floats, rounded: Any, panels: Any, product: Floats
) -> None:
    """Compute one part of the rows for `multiply_all`."""
    mine, K = rows_of(part, n_parts, x.shape[0]), x.shape[1]
    for first in range(mine.start, mine.stop, ROWS):
        end = min(first + ROWS, mine.stop)
        factors = in_type_of(x[first:end], rounded[part, : end - first, :K])
        multiply(factors, 0, end - first, panels, product[first:end])


def in_type_of(x: Any, rounded: Any) -> Any:
    """Rows of float32, or a copy of them in bfloat16."""


@overload(in_type_of, jit_options=OVERLOAD_RULES)
def in_type_of_by_type(x: Any, rounded: Any) -> Callable[[Any, Any], Any]:
    def same(x: Any, rounded: Any) -> Any:
        return x

    def copied(x: Any, rounded: Any) -> Any:
        for i in range(x.shape[0]):
            write_row(x[i], rounded[i])
        return rounded

    return copied if rounded.dtype == types.uint16 else same


@jit_cached
def multiply_all(
    team: int, n_threads: int, n_parts: int, x: Floats, rounded: Any, panels: Any, product: Floats
) -> None:
    """Multiply many rows (M, K) by a packed matrix (K, N).

    Args:
        rounded: room for rows in bfloat16, (n_parts, ROWS, K), if the panels hold it.
        product: (M, padded N).
    """
    run_in_team(team, n_threads, n_parts, multiply_all_part, (x, rounded, panels, product))


@jit
def pack_part(part: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack one part of the panels of `tiles.py`."""
    mine, width = rows_of(part, n_parts, panels.shape[0]), panels.shape[2]
    first, end = mine.start * width, min(mine.stop * width, matrix.shape[1])
    pack_piece(matrix, 0, first, end, panels[mine.start : mine.stop])


def pack_piece(matrix: Any, row: int, first: int, end: int, panels: Any) -> None:
    """Fill panels with columns `first` to `end` of a matrix, from one of its rows on."""


@overload(pack_piece, jit_options=OVERLOAD_RULES)
def pack_piece_in_order(
    matrix: Any, row: Any, first: Any, end: Any, panels: Any
) -> Callable[[Any, Any, Any, Any, Any], None]:
    """Takes the entries in the order in which the matrix lies in memory."""

    def by_row(matrix: Any, row: Any, first: Any, end: Any, panels: Any) -> None:
        for k in range(panels.shape[1]):
            above = row + rows_of_entry(panels) * k
            below = above + rows_of_entry(panels) - 1
            for number in range(panels.shape[0]):
                left = first + number * panels.shape[2]
                upper, lower, to = matrix[above][left:], matrix[below][left:], panels[number, k]
                if end - left >= panel_width():
                    for j in range(panel_width()):
                        to[j] = entry_of(upper[j], lower[j], to)
                else:
                    filled = max(0, end - left)
                    for j in range(filled):
                        to[j] = entry_of(upper[j], lower[j], to)
                    to[filled:] = 0

    def by_column(matrix: Any, row: Any, first: Any, end: Any, panels: Any) -> None:
        for number in range(panels.shape[0]):
            left = first + number * panels.shape[2]
            filled = max(0, min(panels.shape[2], end - left))
            panels[number, :, filled:] = 0
            # Blocks of rows that stay in the nearest cache.
            for above in range(0, panels.shape[1], BLOCK):
                block, start = panels[number, above : above + BLOCK], rows_of_entry(panels) * above
                for j in range(filled):
                    column = matrix.T[left + j][row + start :]
                    for k in range(block.shape[0]):
                        upper = rows_of_entry(panels) * k
                        lower = upper + rows_of_entry(panels) - 1
                        block[k, j] = entry_of(column[upper], column[lower], block)

    return by_row if matrix.layout == "C" else by_column


def rows_of_entry(panels: Any) -> int:
    """How many rows of the matrix an entry of the panels holds."""
    return 2 if panels.dtype == np.int32 else 1


@overload(rows_of_entry, jit_options=OVERLOAD_RULES)
def rows_by_type(panels: Any) -> Callable[[Any], int]:
    rows = 2 if panels.dtype == types.int32 else 1

    def known(panels: Any) -> int:
        return rows

    return known


def entry_of(upper: Any, lower: Any, panels: Any) -> Any:
    """An entry of the panels: the number, or both in bfloat16, the upper one in the lower bits."""


@overload(entry_of, jit_options=OVERLOAD_RULES)
def entry_by_type(upper: Any, lower: Any, panels: Any) -> Callable[[Any, Any, Any], Any]:
    def number(upper: Any, lower: Any, panels: Any) -> Any:
        return upper

    def pair(upper: Any, lower: Any, panels: Any) -> Any:
        return np.int32(bits_of(upper) | bits_of(lower) << SIXTEEN)

    return pair if panels.dtype == types.int32 else number


def bits_of(x: Any) -> Any:
    """A number of either type as the bits of a bfloat16, in uint32."""


@overload(bits_of, jit_options=OVERLOAD_RULES)
def bits_by_type(x: Any) -> Callable[[Any], Any]:
    def same(x: Any) -> Any:
        return np.uint32(x)

    def rounded(x: Any) -> Any:
        return to_bfloat16_bits(x)

    return same if x == types.uint16 else rounded


@jit
def pack_tiles_part(part: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack one part of the panels of `amx.py`."""
    for number in rows_of(part, n_parts, panels.shape[0]):
        for tile in range(panels.shape[1]):
            for k in range(amx.DEPTH // 2):
                row, above = panels[number, tile, k], amx.DEPTH * tile + 2 * k
                for n in range(amx.EDGE):
                    j = amx.EDGE * number + n
                    row[n] = entry_of(matrix[above, j], matrix[above + 1, j], row)


@jit_cached
def pack(team: int, n_threads: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack a matrix (K, N), of either type, into the panels of `tiles.py`."""
    run_in_team(team, n_threads, n_parts, pack_part, (matrix, panels))


@jit_cached
def pack_tiles(team: int, n_threads: int, n_parts: int, matrix: Numbers, panels: Any) -> None:
    """Pack a matrix (K, N), of either type, into the panels of `amx.py`."""
    run_in_team(team, n_threads, n_parts, pack_tiles_part, (matrix, panels))
