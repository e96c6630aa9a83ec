"""When and how the fused backend uses compiled code: thresholds measured by `charlm bench`."""

import torch
from torch import Tensor

from charlm import kernels
from charlm.machine.threads import most_threads

# Numbers of U that a core's cache holds, by the type of the products.
CACHED = {torch.float32: 550_000, torch.bfloat16: 2_000_000}
# Bytes of U up to which every thread reads all of it.
READ_BY_ALL = 1_500_000
# Numbers of a state that are worth a thread.
WORTH_A_THREAD = 1000
# Numbers of U from which on oneDNN is faster with a matrix packed for it.
WORTH_PACKING = {torch.float32: 700_000, torch.bfloat16: 300_000}


def computes(state: Tensor) -> bool:
    """Whether compiled code is for this state, and for what autocast says."""
    return (
        state.device.type == "cpu"
        and state.dtype == torch.float32
        and matmul_dtype() in (torch.float32, torch.bfloat16)
    )


def matmul_dtype() -> torch.dtype:
    """What to multiply in on the CPU: autocast's type, if it is on."""
    on = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if on else torch.float32


def parts_of(state: Tensor) -> int:
    """Into how many parts to divide the rows of a state (B, H)."""
    if not kernels.shares_threads():
        return 1
    return max(1, min(most_threads(), len(state), state.numel() // WORTH_A_THREAD))


def runs_window(U: Tensor, dtype: torch.dtype, B: int, n_parts: int) -> bool:
    """Whether a window in one call is possible, and faster than torch's product at every step.

    A matrix that the cache cannot hold is read from further away at every step. It is divided among
    the threads then, as torch's products have it; where that cannot be, only many rows make reading
    it worth it. Where torch has threads that cannot be shared, its products use them.
    """
    if leaves_threads_idle() or (dtype == torch.bfloat16 and not has_bfloat16(*U.shape)):
        return False
    rows_of_each = B // n_parts
    cached = U.numel() <= CACHED[dtype] * max(1, rows_of_each // 4)
    return cached or (n_parts > 1 and kernels.synchronizes(n_parts))


def splits_rows(U: Tensor, dtype: torch.dtype, n_parts: int) -> bool:
    """Whether each thread multiplies its own rows by all of U, and waits for no other."""
    small = U.numel() * dtype.itemsize <= READ_BY_ALL
    return small or n_parts == 1 or not kernels.synchronizes(n_parts)


def leaves_threads_idle() -> bool:
    """Whether torch has threads that compiled code cannot share."""
    return most_threads() > 1 and not kernels.shares_threads()


def has_bfloat16(N: int, K: int) -> bool:
    """Whether windows multiply by a matrix (N, K), and back by its transpose, in bfloat16 here."""
    both = kernels.has_bfloat16(K, N) and kernels.has_bfloat16(N, K)
    return both and not leaves_threads_idle()
