"""Compiled arithmetic: whole windows of the rnn, the gru and the lstm, and blocks of text.

A leaf of the house: it imports nothing of charlm, takes and gives NumPy arrays, and with the folder
gone everything works, slower. The ideas, and what each processor gets, stand in README.md beside
this file. Nothing is compiled, and numba is not imported, before it is needed.

An array is float32, or bfloat16 as its bits in uint16. K and N are the rows and columns of a
matrix.
"""

from collections.abc import Sequence
from typing import Any

from charlm.kernels.availability import available as available
from charlm.kernels.availability import choice as choice

__all__ = [
    "available",
    "choice",
    "has_bfloat16",
    "pack",
    "packed_shape",
    "padded_columns",
    "run_linear",
    "run_step",
    "run_window",
    "shares_threads",
    "synchronizes",
    "write_text",
    "write_texts",
]


def shares_threads() -> bool:
    """Whether compiled code can use the threads with which torch multiplies."""
    from charlm.kernels import team

    return team.gomp_parallel() != 0


def synchronizes(n_threads: int) -> bool:
    """Whether so many of them can surely wait for one another."""
    from charlm.kernels import team

    return team.gomp_barrier(n_threads) != 0


def has_bfloat16(K: int, N: int) -> bool:
    """Whether products with a matrix of this shape are made in bfloat16, and float32 sums."""
    from charlm.kernels import amx

    return amx.available() and amx.fits(K, N)


def packed_shape(K: int, N: int, bfloat16: bool = False) -> tuple[int, ...]:
    """The shape of the panels of a matrix: float32, or pairs of bfloat16 in int32."""
    from charlm.kernels import amx, tiles

    return amx.packed_shape(K, N) if bfloat16 else tiles.packed_shape(K, N)


def padded_columns(N: int) -> int:
    """Columns of a product with a matrix of N: what is computed beyond N is padding."""
    from charlm.kernels import tiles

    return tiles.padded_columns(N)


def pack(matrix: Any, panels: Any, n_threads: int = 1, n_parts: int = 1) -> None:
    """Pack a matrix (K, N) into panels of `packed_shape`, in the order in which they are read."""
    from charlm.kernels import matmul

    packing = matmul.pack if panels.dtype.kind == "f" else matmul.pack_pairs
    packing(team_of(n_threads), n_threads, n_parts, matrix, panels)


def run_window(
    function: str,
    x: Any,
    panels: Any,
    product: Any,
    arrays: Sequence[Any],
    n_threads: int,
    n_parts: int,
    split_rows: bool,
) -> None:
    """All time steps of a layer, and the products between them.

    Args:
        function: gru_forward, lstm_backward, … of `window.py`.
        x: what is multiplied at each step: forward (T + 1, B, K), backward (T, B, K).
        panels: the packed matrix (K, N).
        product: (B, padded N); the last product afterwards.
        arrays: the step's own, as `cells.py` has them.
        n_threads: that compute.
        n_parts: into which the rows are divided; the result depends on it, not on n_threads.
        split_rows: each part makes the products of its own rows; else all parts share each product
            and wait for one another twice a step, for which `synchronizes` must be true.
    """
    from charlm.kernels import team, window

    n_threads = min(n_threads, n_parts)
    barrier = 0 if split_rows or n_threads == 1 else team.gomp_barrier(n_threads)
    about = (n_parts, split_rows, barrier, x, panels, product, tuple(arrays))
    getattr(window, function)(team_of(n_threads), n_threads, about)


def run_step(
    function: str, t: int, product: Any, arrays: Sequence[Any], n_threads: int, n_parts: int
) -> None:
    """One step's arithmetic, where another library has made its product."""
    from charlm.kernels import window

    n_threads = min(n_threads, n_parts)
    step = getattr(window, f"{function}_step")
    step(team_of(n_threads), n_threads, n_parts, (t, product, *arrays))


def run_linear(function: str, a: Any, h: Any, n_threads: int, n_parts: int) -> None:
    """A linear recurrence over a window: `linear_forward` or `linear_backward` of `linear.py`."""
    from charlm.kernels import linear

    n_threads = min(n_threads, n_parts)
    getattr(linear, function)(team_of(n_threads), n_threads, n_parts, a, h)


def team_of(n_threads: int) -> int:
    from charlm.kernels import team

    return team.gomp_parallel() if n_threads > 1 else 0


def write_text(cell: str, *arguments: Any) -> None:
    """A block of one text; the arguments are those of `writing.write_text`."""
    from charlm.kernels import writing

    writing.write_text(writing.CELLS[cell], *arguments)


def write_texts(cell: str, *arguments: Any) -> None:
    """A block of some of several texts; the arguments are those of `writing.write_texts`."""
    from charlm.kernels import writing

    writing.write_texts(writing.CELLS[cell], *arguments)
