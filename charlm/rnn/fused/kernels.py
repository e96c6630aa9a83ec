"""The arithmetic between two matrix products of the fused backend, compiled by numba.

Each function does one time step of one cell, in place, row by row: short loops over few arrays
become vector instructions. So does a rational tanh, which the C library's does not. A call does one
part of the batch's rows; `charlm.rnn.fused.parallel` makes the others.

Arrays are float32; where products are made in bfloat16, `product`, the factors of the next ones,
`rows` and `sums`, and `kept` are in that type, as its bits in uint16.

Shapes:
    table (V, G·H), the input's share of every character, and ids (T, B); or that of every
        position, (T·B, G·H), and no ids, (0, 0)
    product, forward (B, G·H): the recurrent product of the step; backward (B, H): what came back
        through that of the step after this one
    c_n (H), the bias that the gru's reset gate multiplies
    h, C (T + 1, B, H), entry t before step t
    rows (T + 1, B, H), h once more in the products' type; h itself if that is float32
    kept (T, B, S·H), what the backward pass needs
    upper (T, B, H), the gradient of the outputs
    dh, dC (B, H), what of the gradient of the step after this one bypassed the recurrent product,
        to be replaced by this step's
    sums (T, B, G·H), gradients of the recurrent products
    d_table (1 or parts, V, G·H), summands of the table's gradient, to be added to; of positions
        (1, T·B, G·H), to be written; or none (0, …)
    before, gate, after, d_sum (T, B, N), of a round of the Mogrifier: what is gated, by what, the
        result, and the gradient of what the gate is a sigmoid of; d_after (B, N), the gradient of
        the result, to be replaced by that of what is gated
"""

from typing import Any

import numpy as np

from charlm.rnn.compilation import (
    EPSILON,
    HALF,
    ONE,
    TWO,
    ZERO,
    Array,
    Ids,
    Narrow,
    add,
    add_product,
    f32,
    get,
    inlined,
    put,
    sigmoid,
    tanh,
    widen,
)
from charlm.rnn.fused.parallel import backward, forward, parallel, rows_of
from charlm.rnn.tiles import WIDTH


@inlined
def place(ids: Ids, t: int, i: int, B: int) -> Any:
    """The table's row of a position."""
    return ids[t, i] if len(ids) else t * B + i


@inlined
def tell(d: Array, d_table: Array, part: int, ids: Ids, t: int, i: int, B: int) -> None:
    """A position's gradient, to the table's."""
    if len(ids):
        add(d, d_table[part % len(d_table), ids[t, i]])
    elif len(d_table):
        put(d, d_table[0, t * B + i])


@forward
def rnn_forward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Narrow,
) -> None:
    B, H = product.shape[0], h.shape[2]
    for i in rows_of(part, parts, B):
        x, u, after = table[place(ids, t, i, B)], product[i], h[t + 1, i]
        for j in range(H):
            after[j] = tanh(x[j] + widen(u[j]))
        put(after, rows[t + 1, i])


@backward
def rnn_backward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Narrow,
    dh: Array,
    sums: Narrow,
    d_table: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    d = np.empty(H, dtype=np.float32)
    for i in rows_of(part, parts, B):
        after, above, later = h[t + 1, i], upper[t, i], dh[i]
        add_product(product[i][:H], later)
        for j in range(H):
            d[j] = (above[j] + later[j]) * (ONE - after[j] * after[j])
            later[j] = ZERO
        tell(d, d_table, part, ids, t, i, B)
        put(d, sums[t, i])


@forward
def gru_forward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Narrow,
) -> None:
    B, H = product.shape[0], h.shape[2]
    k = np.empty(4 * H, dtype=np.float32)
    rz, r, z, n, q = k[: 2 * H], k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    for i in rows_of(part, parts, B):
        x, u = table[place(ids, t, i, B)], product[i]
        before, after = h[t, i], h[t + 1, i]
        for j in range(2 * H):
            rz[j] = sigmoid(x[j] + widen(u[j]))
        x_n, u_n = x[2 * H :], u[2 * H :]
        for j in range(H):
            q[j] = widen(u_n[j]) + c_n[j]
            n[j] = tanh(x_n[j] + r[j] * q[j])
            after[j] = n[j] + z[j] * (before[j] - n[j])
        put(k, kept[t, i])
        put(after, rows[t + 1, i])


@backward
def gru_backward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Narrow,
    dh: Array,
    sums: Narrow,
    d_table: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    k, d = np.empty(4 * H, dtype=np.float32), np.empty(3 * H, dtype=np.float32)
    r, z, n, q = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    d_r, d_z, d_q = d[:H], d[H : 2 * H], d[2 * H :]
    for i in rows_of(part, parts, B):
        before, above, later = h[t, i], upper[t, i], dh[i]
        get(kept[t, i], k)
        add_product(product[i][:H], later)
        for j in range(H):
            later[j] += above[j]
            d_z[j] = later[j] * (before[j] - n[j]) * z[j] * (ONE - z[j])
        for j in range(H):
            d_q[j] = later[j] * (ONE - z[j]) * (ONE - n[j] * n[j])
            d_r[j] = d_q[j] * r[j] * q[j] * (ONE - r[j])
            later[j] *= z[j]
        # n's sum has one gradient on the input's side, and r times it on the recurrent one.
        tell(d, d_table, part, ids, t, i, B)
        for j in range(H):
            d_q[j] *= r[j]
        put(d, sums[t, i])


@forward
def lstm_forward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    table: Array,
    ids: Ids,
    c_n: Array,
    h: Array,
    rows: Narrow,
    kept: Narrow,
    C: Array,
) -> None:
    B, H = product.shape[0], h.shape[2]
    k = np.empty(4 * H, dtype=np.float32)
    for i in rows_of(part, parts, B):
        x, u, after = table[place(ids, t, i, B)], product[i], h[t + 1, i]
        C_before, C_after = C[t, i], C[t + 1, i]
        i_f, x_if, u_if = k[: 2 * H], x[: 2 * H], u[: 2 * H]
        for j in range(2 * H):
            i_f[j] = sigmoid(x_if[j] + widen(u_if[j]))
        g, x_g, u_g = k[2 * H : 3 * H], x[2 * H : 3 * H], u[2 * H : 3 * H]
        for j in range(H):
            g[j] = tanh(x_g[j] + widen(u_g[j]))
        o, x_o, u_o = k[3 * H :], x[3 * H :], u[3 * H :]
        for j in range(H):
            o[j] = sigmoid(x_o[j] + widen(u_o[j]))
        in_, f = k[:H], k[H : 2 * H]
        for j in range(H):
            C_after[j] = f[j] * C_before[j] + in_[j] * g[j]
        for j in range(H):
            after[j] = o[j] * tanh(C_after[j])
        put(k, kept[t, i])
        put(after, rows[t + 1, i])


@backward
def lstm_backward(
    part: int,
    parts: int,
    t: int,
    product: Narrow,
    ids: Ids,
    upper: Array,
    h: Array,
    kept: Narrow,
    dh: Array,
    sums: Narrow,
    d_table: Array,
    C: Array,
    dC: Array,
) -> None:
    B, H = h.shape[1], h.shape[2]
    k, d = np.empty(4 * H, dtype=np.float32), np.empty(4 * H, dtype=np.float32)
    in_, f, g, o = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    d_i, d_f, d_g, d_o = d[:H], d[H : 2 * H], d[2 * H : 3 * H], d[3 * H :]
    for i in rows_of(part, parts, B):
        above, later, later_C = upper[t, i], dh[i], dC[i]
        before, after = C[t, i], C[t + 1, i]
        get(kept[t, i], k)
        add_product(product[i][:H], later)
        for j in range(H):
            tanh_C = tanh(after[j])
            d_h = (later[j] + above[j]) * o[j]
            d_o[j] = d_h * tanh_C * (ONE - o[j])
            later_C[j] += d_h * (ONE - tanh_C * tanh_C)
            later[j] = ZERO
        for j in range(H):
            d_i[j] = later_C[j] * g[j] * in_[j] * (ONE - in_[j])
        for j in range(H):
            d_g[j] = later_C[j] * in_[j] * (ONE - g[j] * g[j])
        for j in range(H):
            d_f[j] = later_C[j] * before[j] * f[j] * (ONE - f[j])
            later_C[j] *= f[j]
        tell(d, d_table, part, ids, t, i, B)
        put(d, sums[t, i])


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
