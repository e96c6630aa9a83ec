"""The matrix (K, N) of a window's products, in panels (see `charlm.rnn.tiles`)."""

from charlm.rnn.compilation import ZERO, Array
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
