"""The matrix (K, N) of a window's products, in panels (see `charlm.rnn.tiles` and `.amx`)."""

from typing import Any

from charlm.rnn.amx import DEPTH, EDGE
from charlm.rnn.compilation import SIXTEEN, ZERO, Array, Narrow, narrowed, widen
from charlm.rnn.fused.parallel import multiply_rows as rows_multiplied
from charlm.rnn.fused.parallel import parallel, rows_of
from charlm.rnn.tiles import WIDTH


@parallel
def lay_out(part: int, parts: int, matrix: Array, panels: Array) -> None:
    K, N = matrix.shape
    for number in rows_of(part, parts, panels.shape[0]):
        first = number * WIDTH
        width = min(WIDTH, N - first)
        for k in range(K):
            row = panels[number, k]
            for j in range(width):
                row[j] = matrix[k, first + j]
            for j in range(width, WIDTH):
                row[j] = ZERO


@parallel
def lay_out_pairs(part: int, parts: int, matrix: Narrow, panels: Any) -> None:
    for number in rows_of(part, parts, panels.shape[0]):
        for tile in range(panels.shape[1]):
            for k in range(DEPTH // 2):
                row, above = panels[number, tile, k], DEPTH * tile + 2 * k
                for n in range(EDGE):
                    j = EDGE * number + n
                    low = narrowed(widen(matrix[above, j]))
                    high = narrowed(widen(matrix[above + 1, j]))
                    row[n] = low | high << SIXTEEN


multiply_rows = parallel(rows_multiplied)
