"""When and how the fused backend uses compiled code: thresholds measured by `charlm bench`."""

import math

import torch
from torch import Tensor

from charlm import kernels
from charlm.machine.threads import most_threads

# Elements of U that fit into a core's cache, by the type of the products.
CACHED = {torch.float32: 550_000, torch.bfloat16: 2_000_000}
# Size of U in bytes up to which every thread reads all of it.
READ_BY_ALL = 1_500_000
# Elements of a state that keep a thread busy enough to pay off.
WORTH_A_THREAD = 1000
# Elements of U from which threads share its columns, if there are too few rows to share.
WORTH_SHARING = 100_000
# Products of numbers from which a call of compiled code pays off.
WORTH_A_CALL = 10_000_000
# Elements of U from which oneDNN is faster with a matrix packed for it.
WORTH_PACKING = {torch.float32: 700_000, torch.bfloat16: 300_000}


def computes(state: Tensor) -> bool:
    """Whether compiled code can run a layer with this state, under the current autocast."""
    return (
        state.device.type == "cpu"
        and state.dtype == torch.float32
        and matmul_dtype() in (torch.float32, torch.bfloat16)
    )


def matmul_dtype() -> torch.dtype:
    """The type of matrix products on the CPU: autocast's if it is on, else float32."""
    on = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if on else torch.float32


def parts_of(state: Tensor, U: Tensor | None = None) -> int:
    """The number of parts into which to divide the work on a state (B, H).

    Args:
        U: the matrix that it is multiplied by, if threads can share its columns.
    """
    if not kernels.shares_threads():
        return 1
    by_rows = min(most_threads(), len(state), state.numel() // WORTH_A_THREAD)
    if by_rows > 1 or U is None or U.numel() < WORTH_SHARING:
        return max(1, by_rows)
    return most_threads() if kernels.synchronizes(most_threads()) else 1


def runs_window(U: Tensor, dtype: torch.dtype, B: int, n_parts: int) -> bool:
    """Whether one call for the whole window is possible, and faster than torch's products.

    A matrix that does not fit into the cache is read from slower memory at every step. The threads
    then share it, as in torch's products; where they cannot, reading it pays off only for many
    rows. Where compiled code cannot use torch's threads, torch's products are faster.
    """
    if leaves_threads_idle() or (dtype == torch.bfloat16 and not has_bfloat16(*U.shape)):
        return False
    rows_per_part = B // n_parts
    cached = U.numel() <= CACHED[dtype] * max(1, rows_per_part // 4)
    return cached or (n_parts > 1 and kernels.synchronizes(n_parts))


def splits_rows(U: Tensor, dtype: torch.dtype, B: int, n_parts: int) -> bool:
    """Whether each thread multiplies its own rows by all of U, without waiting for the others."""
    small = U.numel() * dtype.itemsize <= READ_BY_ALL and n_parts <= B
    return small or n_parts == 1 or not kernels.synchronizes(n_parts)


def multiplies(dtype: torch.dtype, products: float = math.inf) -> bool:
    """Whether compiled code multiplies matrices outside of windows.

    Args:
        dtype: the type of the factors.
        products: how many products of numbers there are.
    """
    if leaves_threads_idle() or not kernels.available() or products < WORTH_A_CALL:
        return False
    return kernels.multiplies_pairs() if dtype == torch.bfloat16 else dtype == torch.float32


def leaves_threads_idle() -> bool:
    """Whether torch has several threads, and compiled code cannot use them."""
    return most_threads() > 1 and not kernels.shares_threads()


def has_bfloat16(N: int, K: int) -> bool:
    """Whether windows can multiply by a matrix (N, K) and by its transpose in bfloat16 here."""
    both = kernels.has_bfloat16(K, N) and kernels.has_bfloat16(N, K)
    return both and not leaves_threads_idle()
