"""One time step of the rnn, the gru and the lstm, forward and backward, for a part of the rows.

The equations are in `charlm.rnn.cells`; their product U h has been computed before. Each row is
processed by short loops over few arrays, which compile to vector instructions.

Arguments, with t the step and the B rows divided into n_parts:
    product, forward (B, G·H): U h of this step; backward (B, H): the gradient of this step's h that
        came through the next step's product
    table, ids: W x + b, by character (V, G·H) with ids (T, B), or by position (T·B, G·H) with empty
        ids (0, 0); float32 or bfloat16
    c_n (H), the bias that the gru's reset gate multiplies
    h, C (T + 1, B, H), the states; entry t is the one before step t
    h_matmul (T + 1, B, H), a copy of h in the products' type; h itself if that is float32
    saved (T, B, S·H), values kept for the backward pass
    grad_outputs (T, B, H), the gradient of the outputs
    dh, dC (B, H), the gradients of this step's h and C that came from the next step, but not
        through its product; replaced by those that this step passes on
    d_gates (T, B, G·H), the gradient of the product
    d_table, the gradient of the table: by character (1 or n_parts, V, G·H), summands to be added
        to; by position (1, T·B, G·H), to be overwritten; or (0, …) if not wanted
    capped, forward, whether the lstm's input gate is at most 1 - f
    d_c (n_parts, H), the gradient of the gru's c_n, summands to be added to
"""

from typing import Any

import numpy as np

from charlm.kernels.jit import (
    ONE,
    ZERO,
    Floats,
    Ids,
    Numbers,
    add_row,
    jit,
    jit_inline,
    read_row,
    sigmoid,
    tanh,
    to_float32,
    write_row,
)
from charlm.kernels.team import rows_of


@jit_inline
def table_row(ids: Ids, t: int, i: int, B: int) -> Any:
    """The table's row for row i of the batch at step t."""
    return ids[t, i] if len(ids) else t * B + i


@jit_inline
def add_to_table(d: Floats, d_table: Floats, part: int, ids: Ids, t: int, i: int, B: int) -> None:
    """Add the gradient d of row i at step t to the table's gradient."""
    if len(ids):
        add_row(d, d_table[part % len(d_table), ids[t, i]])
    elif len(d_table):
        write_row(d, d_table[0, t * B + i])


@jit
def rnn_forward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    table: Numbers,
    ids: Ids,
    c_n: Floats,
    h: Floats,
    h_matmul: Numbers,
    saved: Numbers,
) -> None:
    B, H = product.shape[0], h.shape[2]
    for i in rows_of(part, n_parts, B):
        x, u, after = table[table_row(ids, t, i, B)], product[i], h[t + 1, i]
        for j in range(H):
            after[j] = tanh(to_float32(x[j]) + to_float32(u[j]))
        write_row(after, h_matmul[t + 1, i])


@jit
def rnn_backward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    ids: Ids,
    grad_outputs: Floats,
    h: Floats,
    saved: Numbers,
    dh: Floats,
    d_gates: Numbers,
    d_table: Floats,
) -> None:
    B, H = h.shape[1], h.shape[2]
    d = np.empty(H, dtype=np.float32)
    for i in rows_of(part, n_parts, B):
        after, above, later = h[t + 1, i], grad_outputs[t, i], dh[i]
        add_row(product[i][:H], later)
        for j in range(H):
            d[j] = (above[j] + later[j]) * (ONE - after[j] * after[j])
            later[j] = ZERO
        add_to_table(d, d_table, part, ids, t, i, B)
        write_row(d, d_gates[t, i])


@jit
def gru_forward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    table: Numbers,
    ids: Ids,
    c_n: Floats,
    h: Floats,
    h_matmul: Numbers,
    saved: Numbers,
) -> None:
    B, H = product.shape[0], h.shape[2]
    k = np.empty(4 * H, dtype=np.float32)
    rz, r, z, n, q = k[: 2 * H], k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    for i in rows_of(part, n_parts, B):
        x, u = table[table_row(ids, t, i, B)], product[i]
        before, after = h[t, i], h[t + 1, i]
        for j in range(2 * H):
            rz[j] = sigmoid(to_float32(x[j]) + to_float32(u[j]))
        x_n, u_n = x[2 * H :], u[2 * H :]
        for j in range(H):
            q[j] = to_float32(u_n[j]) + c_n[j]
            n[j] = tanh(to_float32(x_n[j]) + r[j] * q[j])
            after[j] = n[j] + z[j] * (before[j] - n[j])
        write_row(k, saved[t, i])
        write_row(after, h_matmul[t + 1, i])


@jit
def gru_backward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    ids: Ids,
    grad_outputs: Floats,
    h: Floats,
    saved: Numbers,
    dh: Floats,
    d_gates: Numbers,
    d_table: Floats,
    d_c: Floats,
) -> None:
    B, H = h.shape[1], h.shape[2]
    k, d = np.empty(4 * H, dtype=np.float32), np.empty(3 * H, dtype=np.float32)
    r, z, n, q = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    d_r, d_z, d_q = d[:H], d[H : 2 * H], d[2 * H :]
    for i in rows_of(part, n_parts, B):
        before, above, later = h[t, i], grad_outputs[t, i], dh[i]
        read_row(saved[t, i], k)
        add_row(product[i][:H], later)
        for j in range(H):
            later[j] += above[j]
            d_z[j] = later[j] * (before[j] - n[j]) * z[j] * (ONE - z[j])
        for j in range(H):
            d_q[j] = later[j] * (ONE - z[j]) * (ONE - n[j] * n[j])
            d_r[j] = d_q[j] * r[j] * q[j] * (ONE - r[j])
            later[j] *= z[j]
        # n = tanh(W x + b + r (U h + c)): the gradient of U h is r times that of W x + b.
        add_to_table(d, d_table, part, ids, t, i, B)
        for j in range(H):
            d_q[j] *= r[j]
        add_row(d_q, d_c[part])
        write_row(d, d_gates[t, i])


@jit
def lstm_forward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    table: Numbers,
    ids: Ids,
    c_n: Floats,
    h: Floats,
    h_matmul: Numbers,
    saved: Numbers,
    C: Floats,
    capped: bool,
) -> None:
    B, H = product.shape[0], h.shape[2]
    k = np.empty(4 * H, dtype=np.float32)
    for i in rows_of(part, n_parts, B):
        x, u, after = table[table_row(ids, t, i, B)], product[i], h[t + 1, i]
        C_before, C_after = C[t, i], C[t + 1, i]
        i_f, x_if, u_if = k[: 2 * H], x[: 2 * H], u[: 2 * H]
        for j in range(2 * H):
            i_f[j] = sigmoid(to_float32(x_if[j]) + to_float32(u_if[j]))
        g, x_g, u_g = k[2 * H : 3 * H], x[2 * H : 3 * H], u[2 * H : 3 * H]
        for j in range(H):
            g[j] = tanh(to_float32(x_g[j]) + to_float32(u_g[j]))
        o, x_o, u_o = k[3 * H :], x[3 * H :], u[3 * H :]
        for j in range(H):
            o[j] = sigmoid(to_float32(x_o[j]) + to_float32(u_o[j]))
        in_, f = k[:H], k[H : 2 * H]
        for j in range(H):
            most = ONE - f[j] if capped else ONE
            C_after[j] = f[j] * C_before[j] + min(in_[j], most) * g[j]
            # The backward pass sees by the sign whether the gate was capped.
            in_[j] = in_[j] if in_[j] <= most else -in_[j]
        for j in range(H):
            after[j] = o[j] * tanh(C_after[j])
        write_row(k, saved[t, i])
        write_row(after, h_matmul[t + 1, i])


@jit
def lstm_backward(
    part: int,
    n_parts: int,
    t: int,
    product: Numbers,
    ids: Ids,
    grad_outputs: Floats,
    h: Floats,
    saved: Numbers,
    dh: Floats,
    d_gates: Numbers,
    d_table: Floats,
    C: Floats,
    dC: Floats,
) -> None:
    B, H = h.shape[1], h.shape[2]
    k, d = np.empty(4 * H, dtype=np.float32), np.empty(4 * H, dtype=np.float32)
    in_, f, g, o = k[:H], k[H : 2 * H], k[2 * H : 3 * H], k[3 * H :]
    d_i, d_f, d_g, d_o = d[:H], d[H : 2 * H], d[2 * H : 3 * H], d[3 * H :]
    for i in rows_of(part, n_parts, B):
        above, later, later_C = grad_outputs[t, i], dh[i], dC[i]
        before, after = C[t, i], C[t + 1, i]
        read_row(saved[t, i], k)
        add_row(product[i][:H], later)
        for j in range(H):
            tanh_C = tanh(after[j])
            d_h = (later[j] + above[j]) * o[j]
            d_o[j] = d_h * tanh_C * (ONE - o[j])
            later_C[j] += d_h * (ONE - tanh_C * tanh_C)
            later[j] = ZERO
        for j in range(H):
            let_in = in_[j] if in_[j] >= ZERO else ONE - f[j]
            d_g[j] = later_C[j] * let_in * (ONE - g[j] * g[j])
        for j in range(H):
            d_in = later_C[j] * g[j]
            d_i[j] = d_in * in_[j] * (ONE - in_[j]) if in_[j] >= ZERO else ZERO
            d_f[j] = later_C[j] * before[j] - (ZERO if in_[j] >= ZERO else d_in)
            d_f[j] *= f[j] * (ONE - f[j])
            later_C[j] *= f[j]
        add_to_table(d, d_table, part, ids, t, i, B)
        write_row(d, d_gates[t, i])
