"""Blocks of text: draw each character, then run the model one step on it.

Shapes for one text:
    table (V, G·H), the first layer's W x + b of every character
    W (L - 1, H, G·H), b (L - 1, G·H), of the layers above the first
    U (L, H, G·H), c (L, G·H), zero except for the bias that the reset gate multiplies
    output (H, V), output_bias (V)
    h, C (L, H), the state, and logits (V): replaced by those after the last character
    draws (T), uniform in [0, 1), and ids (T), the result
    x, u (G·H), W x + b and U h of one layer

For N texts: h, C (L, N, H), logits (N, V), draws and ids (T, N). W, U and output are packed into
panels (see `tiles.py`); the textbook gru's U lacks its last third, which is U_n.
"""

from math import exp

import numpy as np

from charlm.kernels.jit import ONE, Doubles, Floats, Ids, jit, jit_cached, sigmoid, tanh
from charlm.kernels.tiles import multiply

RNN, GRU, TEXTBOOK_GRU, LSTM, CAPPED_LSTM = range(5)
# The textbook gru resets before the product; see `charlm.rnn.cells.gru`.
CELLS = {
    "rnn": RNN,
    "gru": GRU,
    "textbook-gru": TEXTBOOK_GRU,
    "lstm": LSTM,
    "capped-lstm": CAPPED_LSTM,
}
LARGEST = np.finfo(np.float32).max


@jit_cached
def write_text(
    cell: int,
    table: Floats,
    W: Floats,
    b: Floats,
    U: Floats,
    c: Floats,
    output: Floats,
    output_bias: Floats,
    h: Floats,
    C: Floats,
    logits: Floats,
    draws: Doubles,
    temperature: float,
    ids: Ids,
) -> None:
    """For each draw, choose an id and run the model one step on it."""
    L, H = h.shape
    above, u = np.empty(U.shape[2], dtype=np.float32), np.empty(U.shape[2], dtype=np.float32)
    cumulative = np.empty(logits.shape[0])
    for t in range(draws.shape[0]):
        ids[t] = draw(logits, draws[t], temperature, cumulative)
        for layer in range(L):
            x = table[ids[t]]
            if layer > 0:
                product(b[layer - 1], h[layer - 1], W[layer - 1], 0, above)
                x = above
            # The last third of the textbook gru's U multiplies r ⊙ h, so it has to wait for r.
            product(c[layer], h[layer], U[layer], 0, u[: 2 * H] if cell == TEXTBOOK_GRU else u)
            if cell == RNN:
                rnn_step(x, u, h[layer])
            elif cell == GRU:
                gru_step(x, u, h[layer])
            elif cell == TEXTBOOK_GRU:
                textbook_gru_step(x, u, c[layer], U[layer], h[layer])
            else:
                lstm_step(x, u, h[layer], C[layer], cell == CAPPED_LSTM)
        product(output_bias, h[L - 1], output, 0, logits)


@jit_cached
def write_texts(
    cell: int,
    table: Floats,
    W: Floats,
    b: Floats,
    U: Floats,
    U_n: Floats,
    c: Floats,
    output: Floats,
    output_bias: Floats,
    h: Floats,
    C: Floats,
    logits: Floats,
    draws: Doubles,
    temperature: float,
    ids: Ids,
    first: int,
    end: int,
) -> None:
    """Do what `write_text` does for texts `first` to `end` (exclusive) of N, with panels."""
    L, N, H = h.shape
    G_H, V = c.shape[1], logits.shape[1]
    x = np.empty((N, W.shape[1] * W.shape[3]), dtype=np.float32)
    u = np.empty((N, U.shape[1] * U.shape[3]), dtype=np.float32)
    rh = np.empty((N, H), dtype=np.float32)
    u_n = np.empty((N, U_n.shape[1] * U_n.shape[3]), dtype=np.float32)
    scores = np.empty((N, output.shape[0] * output.shape[2]), dtype=np.float32)
    cumulative = np.empty(V)
    for t in range(draws.shape[0]):
        for i in range(first, end):
            ids[t, i] = draw(logits[i], draws[t, i], temperature, cumulative)
        for layer in range(L):
            if layer > 0:
                multiply(h[layer - 1], first, end, W[layer - 1], x)
            multiply(h[layer], first, end, U[layer], u)
            for i in range(first, end):
                x_i = table[ids[t, i]]
                if layer > 0:
                    x_i = x[i][:G_H]
                    for j in range(G_H):
                        x_i[j] += b[layer - 1, j]
                if cell == RNN:
                    rnn_step(x_i, u[i], h[layer, i])
                elif cell == GRU:
                    for j in range(2 * H, G_H):
                        u[i, j] += c[layer, j]
                    gru_step(x_i, u[i], h[layer, i])
                elif cell in (LSTM, CAPPED_LSTM):
                    lstm_step(x_i, u[i], h[layer, i], C[layer, i], cell == CAPPED_LSTM)
                else:
                    reset(x_i, u[i], h[layer, i], rh[i])
            if cell == TEXTBOOK_GRU:
                multiply(rh, first, end, U_n[layer], u_n)
                for i in range(first, end):
                    x_i = x[i][:G_H] if layer > 0 else table[ids[t, i]]
                    update(x_i, u[i], u_n[i], h[layer, i])
        multiply(h[L - 1], first, end, output, scores)
        for i in range(first, end):
            for j in range(V):
                logits[i, j] = scores[i, j] + output_bias[j]


@jit
def product(bias: Floats, h: Floats, M: Floats, first: int, sums: Floats) -> None:
    """Compute sums = h @ M + bias for the columns of M and bias from `first` on.

    Taking four rows of M at a time saves three quarters of the loads and stores of the sums.
    """
    K, N = h.shape[0], sums.shape[0]
    for j in range(N):
        sums[j] = bias[first + j]
    for k in range(0, K - 3, 4):
        m0, m1 = M[k][first : first + N], M[k + 1][first : first + N]
        m2, m3 = M[k + 2][first : first + N], M[k + 3][first : first + N]
        h0, h1, h2, h3 = h[k], h[k + 1], h[k + 2], h[k + 3]
        for j in range(N):
            sums[j] += h0 * m0[j] + h1 * m1[j] + h2 * m2[j] + h3 * m3[j]
    for k in range(K - K % 4, K):
        m, h_k = M[k][first : first + N], h[k]
        for j in range(N):
            sums[j] += h_k * m[j]


@jit
def rnn_step(x: Floats, u: Floats, h: Floats) -> None:
    """Replace h by the rnn's next state."""
    for j in range(h.shape[0]):
        h[j] = tanh(x[j] + u[j])


@jit
def gru_step(x: Floats, u: Floats, h: Floats) -> None:
    """Replace h by the next state of the gru that resets after the product."""
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    r, z, u_n, x_n = u[:H], u[H : 2 * H], u[2 * H :], x[2 * H :]
    for j in range(H):
        n = tanh(x_n[j] + r[j] * u_n[j])
        h[j] = n + z[j] * (h[j] - n)


@jit
def textbook_gru_step(x: Floats, u: Floats, c: Floats, U: Floats, h: Floats) -> None:
    """Replace h by the next state of the gru that resets before the product."""
    H = h.shape[0]
    reset(x, u, h, u[:H])
    product(c, u[:H], U, 2 * H, u[2 * H :])
    update(x, u, u[2 * H :], h)


@jit
def reset(x: Floats, u: Floats, h: Floats, rh: Floats) -> None:
    """Compute the textbook gru's r and z, in place of their sums in u, and rh = r ⊙ h."""
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    for j in range(H):
        rh[j] = u[j] * h[j]


@jit
def update(x: Floats, u: Floats, u_n: Floats, h: Floats) -> None:
    """Replace h by the textbook gru's next state, given z in u, and u_n = U_n (r ⊙ h)."""
    H = h.shape[0]
    z, x_n = u[H : 2 * H], x[2 * H :]
    for j in range(H):
        n = tanh(x_n[j] + u_n[j])
        h[j] = n + z[j] * (h[j] - n)


@jit
def lstm_step(x: Floats, u: Floats, h: Floats, C: Floats, capped: bool) -> None:
    """Replace h and C by the lstm's next state."""
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    i, f, g, x_g = u[:H], u[H : 2 * H], u[2 * H : 3 * H], x[2 * H : 3 * H]
    for j in range(H):
        g[j] = tanh(x_g[j] + g[j])
    for j in range(H):
        let_in = min(i[j], ONE - f[j]) if capped else i[j]
        C[j] = f[j] * C[j] + let_in * g[j]
    o, x_o = u[3 * H :], x[3 * H :]
    for j in range(H):
        h[j] = sigmoid(x_o[j] + o[j]) * tanh(C[j])


@jit
def draw(logits: Floats, uniform: float, temperature: float, cumulative: Doubles) -> int:
    """Draw an id of one text by inverting the cumulative distribution.

    It is 0, `<unk>`, only if the largest logit is NaN or infinite, so that nothing can be drawn.
    """
    V = logits.shape[0]
    best = 1
    for i in range(1, V):
        if not logits[i] <= LARGEST:
            return 0
        if logits[i] > logits[best]:
            best = i
    if logits[best] < -LARGEST:
        return 0
    if temperature == 0:
        return best
    total = 0.0
    for i in range(1, V):
        below = np.float64(logits[i]) - np.float64(logits[best])
        # Fast math may multiply by 1 / temperature instead, and 0 times infinity is NaN.
        total += 1.0 if below == 0 else exp(below / temperature)
        cumulative[i] = total
    for i in range(1, V):
        if cumulative[i] > uniform * total:
            return i
    return 0  # the sum is NaN
