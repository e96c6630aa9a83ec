"""Linear recurrences, h_t = a_t ⊙ h_{t-1} + v_t, over a window: a (T, B, H), h (T + 1, B, H)."""

from charlm.rnn.compilation import Array
from charlm.rnn.fused.parallel import parallel, rows_of


@parallel
def linear_forward(part: int, parts: int, a: Array, h: Array) -> None:
    T, B, H = a.shape
    for s in range(T):
        for i in rows_of(part, parts, B):
            row, before, after = a[s, i], h[s, i], h[s + 1, i]
            for j in range(H):
                after[j] += row[j] * before[j]


@parallel
def linear_backward(part: int, parts: int, a: Array, dh: Array) -> None:
    T, B, H = a.shape
    for s in range(T - 1, -1, -1):
        for i in rows_of(part, parts, B):
            row, before, after = a[s, i], dh[s, i], dh[s + 1, i]
            for j in range(H):
                before[j] += row[j] * after[j]
