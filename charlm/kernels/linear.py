"""Linear recurrences, h_t = a_t ⊙ h_{t-1} + v_t, over a window: a (T, B, H), h (T + 1, B, H)."""

from charlm.kernels.jit import Floats, jit, jit_cached
from charlm.kernels.team import rows_of, run_in_team


@jit
def forward_part(part: int, n_parts: int, a: Floats, h: Floats) -> None:
    """Compute one part of the rows for `linear_forward`."""
    T, B, H = a.shape
    for t in range(T):
        for i in rows_of(part, n_parts, B):
            row, before, after = a[t, i], h[t, i], h[t + 1, i]
            for j in range(H):
                after[j] += row[j] * before[j]


@jit
def backward_part(part: int, n_parts: int, a: Floats, dh: Floats) -> None:
    """Compute one part of the rows for `linear_backward`."""
    T, B, H = a.shape
    for t in range(T - 1, -1, -1):
        for i in rows_of(part, n_parts, B):
            row, before, after = a[t, i], dh[t, i], dh[t + 1, i]
            for j in range(H):
                before[j] += row[j] * after[j]


@jit_cached
def linear_forward(team: int, n_threads: int, n_parts: int, a: Floats, h: Floats) -> None:
    """Replace v, in h[1:], by the states that follow the first one, h[0]."""
    run_in_team(team, n_threads, n_parts, forward_part, (a, h))


@jit_cached
def linear_backward(team: int, n_threads: int, n_parts: int, a: Floats, dh: Floats) -> None:
    """Replace the gradients of the outputs, dh[1:], by those of v; dh[0] becomes that of h[0]."""
    run_in_team(team, n_threads, n_parts, backward_part, (a, dh))
