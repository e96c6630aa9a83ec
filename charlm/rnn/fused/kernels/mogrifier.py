"""A round of the Mogrifier, and its way back.

Shapes:
    before, gate, after, d_sum (T, B, N): what is gated, by what, the result, and the gradient of
        what the gate is a sigmoid of
    d_after (B, N), the gradient of the result, to be replaced by that of what is gated
"""

import numpy as np

from charlm.rnn.compilation import HALF, ONE, TWO, Array, Narrow, get, put, sigmoid, widen
from charlm.rnn.fused.parallel import parallel, rows_of


@parallel
def mogrify(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    before: Narrow,
    gate: Narrow,
    after: Narrow,
) -> None:
    B, N = product.shape
    m, y = np.empty(N, dtype=np.float32), np.empty(N, dtype=np.float32)
    for i in rows_of(part, parts, B):
        u, x = product[i], before[t, i]
        for j in range(N):
            m[j] = TWO * sigmoid(widen(u[j]))
            y[j] = m[j] * widen(x[j])
        put(m, gate[t, i])
        put(y, after[t, i])


@parallel
def demogrify(
    part: int,
    parts: int,
    t: int,
    d_after: Array,
    before: Narrow,
    gate: Narrow,
    d_sum: Narrow,
) -> None:
    B, N = d_after.shape
    m, d = np.empty(N, dtype=np.float32), np.empty(N, dtype=np.float32)
    for i in rows_of(part, parts, B):
        later, x = d_after[i], before[t, i]
        get(gate[t, i], m)
        for j in range(N):
            later[j] *= m[j]
            d[j] = later[j] * widen(x[j]) * (ONE - HALF * m[j])
        put(d, d_sum[t, i])
