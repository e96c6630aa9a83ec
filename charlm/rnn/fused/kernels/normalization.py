"""Layer normalization of a step's product (B, N), and its way back."""

import numpy as np

from charlm.rnn.compilation import EPSILON, ONE, ZERO, Array, Narrow, add, f32, get, put, widen
from charlm.rnn.fused.parallel import parallel, rows_of


@parallel
def normalize(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    gain: Array,
    normal: Array,
    scale: Array,
    result: Array,
) -> None:
    B, N = result.shape
    for i in rows_of(part, parts, B):
        u, x, y = product[i], normal[t, i], result[i]
        total = ZERO
        for j in range(N):
            x[j] = widen(u[j])
            total += x[j]
        mean, squares = total / f32(N), ZERO
        for j in range(N):
            x[j] -= mean
            squares += x[j] * x[j]
        scale[t, i] = ONE / np.sqrt(squares / f32(N) + EPSILON)
        for j in range(N):
            x[j] *= scale[t, i]
            y[j] = x[j] * gain[j]


@parallel
def denormalize(
    part: int,
    parts: int,
    t: int,
    sums: Narrow,
    gain: Array,
    normal: Array,
    scale: Array,
    d_gain: Array,
    d_bias: Array,
) -> None:
    B, N = sums.shape
    d, of_gain = np.empty(N, dtype=np.float32), d_gain[part]
    for i in rows_of(part, parts, B):
        x = normal[t, i]
        total, along = ZERO, ZERO
        get(sums[i], d)
        add(d, d_bias[part])
        for j in range(N):
            of_gain[j] += d[j] * x[j]
        for j in range(N):
            d[j] *= gain[j]
            total += d[j]
            along += d[j] * x[j]
        mean, slope = total / f32(N), along / f32(N)
        for j in range(N):
            d[j] = scale[t, i] * (d[j] - mean - slope * x[j])
        put(d, sums[i])
