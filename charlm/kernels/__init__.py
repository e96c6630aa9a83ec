"""Compiled arithmetic: whole windows of the recurrent layers, and blocks of text.

This package imports nothing from the rest of charlm, and takes and returns NumPy arrays. It is
optional: without the folder everything works, but slower. README.md beside this file explains the
ideas and what each processor supports. Numba is imported, and code compiled, only when needed.

Arrays are float32, or bfloat16 as bits in uint16. K and N are the rows and columns of a matrix.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from charlm.kernels.availability import available as available
from charlm.kernels.availability import choice as choice
from charlm.kernels.availability import why_not as why_not

Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = [
    "available",
    "choice",
    "compiled",
    "has_bfloat16",
    "keeps_code",
    "multiplies_pairs",
    "multiply",
    "multiply_in_registers",
    "multiply_transposed",
    "pack",
    "packed_shape",
    "padded_columns",
    "run_linear",
    "run_step",
    "run_window",
    "scratch_shapes",
    "shares_threads",
    "synchronizes",
    "why_not",
    "write_text",
    "write_texts",
]


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays, which gives the same bits as in plain Python.

    Where nothing can be compiled it is the function itself.
    """
    if not available():
        return function
    from charlm.kernels import jit

    return jit.jit_exactly(function)


def shares_threads() -> bool:
    """Whether compiled code can run in torch's own threads."""
    from charlm.kernels import team

    return team.gomp_parallel() != 0


def synchronizes(n_threads: int) -> bool:
    """Whether so many of torch's threads are sure to run at once, so that they can synchronize."""
    from charlm.kernels import team

    return team.gomp_barrier(n_threads) != 0


def has_bfloat16(K: int, N: int) -> bool:
    """Whether products with a matrix (K, N) can be computed in bfloat16, with sums in float32."""
    from charlm.kernels import amx, tiles

    return (amx.available() and amx.fits(K, N)) or (tiles.multiplies_pairs() and K % 2 == 0)


def keeps_code() -> bool:
    """Whether compiled code is kept on disk, so that later processes need not compile it again."""
    from charlm.kernels import linear

    stats: Any = getattr(linear.linear_forward, "stats", None)
    return getattr(stats, "cache_path", None) is not None


def packed_shape(K: int, N: int, bfloat16: bool = False) -> tuple[int, ...]:
    """The shape of a matrix packed into panels, of float32 or of pairs of bfloat16 in int32."""
    from charlm.kernels import amx, tiles

    if bfloat16 and amx.available() and amx.fits(K, N):
        return amx.packed_shape(K, N)
    return tiles.packed_shape(K, N, bfloat16)


def padded_columns(N: int) -> int:
    """Columns of a product with a matrix of N columns, padding included."""
    from charlm.kernels import tiles

    return tiles.padded_columns(N)


def pack(matrix: Any, panels: Any, n_threads: int = 1, n_parts: int = 1) -> None:
    """Pack a matrix (K, N) into panels of `packed_shape`, in the order of their use."""
    from charlm.kernels import matmul

    packing = matmul.pack if panels.ndim == 3 else matmul.pack_tiles
    packing(team_of(n_threads), n_threads, n_parts, matrix, panels)


def multiply(x: Any, panels: Any, product: Any, n_threads: int, n_parts: int) -> None:
    """Multiply many rows (M, K) of float32 by a packed matrix (K, N).

    Args:
        panels: of `packed_shape`; if they hold bfloat16, rows are rounded to it. Not for the tile
            registers: see `multiplies_pairs`.
        product: (M, padded N), in float32.
    """
    import numpy as np

    from charlm.kernels import matmul

    n_threads, floats = min(n_threads, n_parts), panels.dtype.kind == "f"
    shape = (0, 0, 0) if floats else (n_parts, matmul.ROWS, x.shape[1])
    rounded = np.empty(shape, np.float32 if floats else np.uint16)
    team = team_of(n_threads)
    matmul.multiply_all(team, n_threads, n_parts, x, rounded, panels, product)


def scratch_shapes(M: int, N: int, n_parts: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the scratch that `multiply_transposed` needs, of float32 or int32."""
    from charlm.kernels import outer

    return outer.scratch_shapes(M, N, n_parts)


def multiply_transposed(
    left: Any, right: Any, scratch: Sequence[Any], product: Any, n_threads: int, n_parts: int
) -> None:
    """Compute leftᵀ · right, of matrices (K, M) and (K, N), in float32.

    Args:
        left, right: both float32, or both bfloat16 where K is even and the processor multiplies
            pairs; see `multiplies_pairs`.
        scratch: two arrays of `scratch_shapes`: float32, or int32 for bfloat16.
        product: (M, padded N).
    """
    from charlm.kernels import outer

    n_threads, (of_left, of_right) = min(n_threads, n_parts), scratch
    arrays = (left, right, of_left, of_right, product)
    outer.multiply_transposed(team_of(n_threads), n_threads, n_parts, *arrays)


def multiplies_pairs() -> bool:
    """Whether vector instructions multiply pairs of bfloat16 here, and nothing does so faster."""
    from charlm.kernels import amx, tiles

    return tiles.multiplies_pairs() and not amx.available()


def multiply_in_registers(products: int, bfloat16: bool, n_threads: int) -> None:
    """Compute so many products of numbers, as fast as the processor can, and forget them.

    Args:
        bfloat16: of bfloat16, in place of float32; see `has_bfloat16`.
    """
    from charlm.kernels import peak

    peak.multiply_in_registers(team_of(n_threads), n_threads, products, bfloat16)


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
    """Run all time steps of a layer, with a matrix product between any two of them.

    Args:
        function: the name of one in `window.py`: gru_forward, lstm_backward, …
        x: what each step multiplies: forward the states (T + 1, B, K), backward the gates'
            gradients (T, B, K).
        panels: the packed matrix (K, N).
        product: (B, padded N), zeros; holds the last product afterwards.
        arrays: the step's other arguments, in the order of `cells.py`.
        n_threads: how many threads compute.
        n_parts: how many parts the rows are divided into. The result depends on it, but not on
            n_threads.
        split_rows: whether each part computes the products of its own rows. Otherwise all parts
            share each product and wait for one another twice a step, which needs `synchronizes`.
    """
    from charlm.kernels import team, window

    n_threads = min(n_threads, n_parts)
    barrier = 0 if split_rows or n_threads == 1 else team.gomp_barrier(n_threads)
    arguments = (n_parts, split_rows, barrier, x, panels, product, tuple(arrays))
    getattr(window, function)(team_of(n_threads), n_threads, arguments)


def run_step(
    function: str, t: int, product: Any, arrays: Sequence[Any], n_threads: int, n_parts: int
) -> None:
    """Run the arithmetic of one step whose product another library has computed."""
    from charlm.kernels import window

    n_threads = min(n_threads, n_parts)
    step = getattr(window, f"{function}_step")
    step(team_of(n_threads), n_threads, n_parts, (t, product, *arrays))


def run_linear(function: str, a: Any, h: Any, n_threads: int, n_parts: int) -> None:
    """Run `linear_forward` or `linear_backward` of `linear.py`, in place, over a window."""
    from charlm.kernels import linear

    n_threads = min(n_threads, n_parts)
    getattr(linear, function)(team_of(n_threads), n_threads, n_parts, a, h)


def team_of(n_threads: int) -> int:
    """The address of GOMP_parallel, which starts torch's threads; 0 for a single thread."""
    from charlm.kernels import team

    return team.gomp_parallel() if n_threads > 1 else 0


def write_text(cell: str, *arguments: Any) -> None:
    """Write a block of one text; for the arguments see `writing.write_text`."""
    from charlm.kernels import writing

    writing.write_text(writing.CELLS[cell], *arguments)


def write_texts(cell: str, *arguments: Any) -> None:
    """Write a block of several texts; for the arguments see `writing.write_texts`."""
    from charlm.kernels import writing

    writing.write_texts(writing.CELLS[cell], *arguments)
