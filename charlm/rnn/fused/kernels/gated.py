"""The steps of the rnn, the gru and the lstm.

Shapes:
    table (V, G·H), the input's share of every character, and ids (T, B); or that of every
        position, (T·B, G·H), and no ids, (0, 0); of either type
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
"""

from typing import Any

import numpy as np

from charlm.rnn.compilation import (
    ONE,
    ZERO,
    Array,
    Ids,
    Narrow,
    add,
    add_product,
    get,
    inlined,
    put,
    sigmoid,
    tanh,
    widen,
)
from charlm.rnn.fused.parallel import backward, forward, rows_of


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
    table: Narrow,
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
            after[j] = tanh(widen(x[j]) + widen(u[j]))
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
    table: Narrow,
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
            rz[j] = sigmoid(widen(x[j]) + widen(u[j]))
        x_n, u_n = x[2 * H :], u[2 * H :]
        for j in range(H):
            q[j] = widen(u_n[j]) + c_n[j]
            n[j] = tanh(widen(x_n[j]) + r[j] * q[j])
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
    table: Narrow,
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
            i_f[j] = sigmoid(widen(x_if[j]) + widen(u_if[j]))
        g, x_g, u_g = k[2 * H : 3 * H], x[2 * H : 3 * H], u[2 * H : 3 * H]
        for j in range(H):
            g[j] = tanh(widen(x_g[j]) + widen(u_g[j]))
        o, x_o, u_o = k[3 * H :], x[3 * H :], u[3 * H :]
        for j in range(H):
            o[j] = sigmoid(widen(x_o[j]) + widen(u_o[j]))
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
