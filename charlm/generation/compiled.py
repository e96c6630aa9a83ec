"""Texts on the CPU, many characters to a call: the step and the draw, compiled by numba.

Between two characters of one text there is no Python, which costs the NumPy engine more than the
products do; between those of several there are NumPy's products.

Shapes:
    table (V, G·H), the input's share of every character
    W (L - 1, H, G·H), b (L - 1, G·H), of the layers above the first
    U (L, H, G·H), c (L, G·H), zero but for the bias that the reset gate multiplies
    output (H, V), output_bias (V)
    h, C (L, H), the state, and logits (V): replaced by those after the last character
    x, u (G·H), the input's share of a layer's gates and the recurrent one
"""

from collections.abc import Mapping
from math import exp

import numpy as np

from charlm.config import ModelConfig
from charlm.generation.engines import Array, NumpyEngine
from charlm.rnn.compilation import fast, sigmoid, tanh

RNN, GRU, TEXTBOOK_GRU, LSTM = range(4)
CACHE_LINE = 64


class CompiledEngine(NumpyEngine):
    """The NumPy engine, which also writes many characters to a call.

    Args:
        weights: by the names of LanguageModel.weights(), in float32.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        super().__init__(config, weights)
        gru = GRU if config.reset_after else TEXTBOOK_GRU
        self.form = {"rnn": RNN, "gru": gru, "lstm": LSTM}[config.cell]
        c = np.zeros((len(self.U), self.U[0].shape[1]), dtype=np.float32)
        c[:, c.shape[1] - self.c[0].size :] = self.c
        self.arrays = (
            aligned(self.table),
            aligned(np.array(self.W[1:]).reshape(-1, *self.U[0].shape)),
            aligned(np.array(self.b[1:]).reshape(-1, c.shape[1])),
            aligned(np.stack(self.U)),
            aligned(c),
            aligned(self.output),
            aligned(self.output_bias),
        )

    def write(
        self, logits: Array, state: list[tuple[Array, ...]], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[tuple[Array, ...]]]:
        """See `charlm.generation.engines.Writer`."""
        if draws.shape[1] > 1:
            return self.write_many(logits, state, draws, temperature)
        logits, ids = logits[0].copy(), np.empty(draws.shape, dtype=np.int64)
        tensors = [np.concatenate(each) for each in zip(*state, strict=True)]
        h, C = tensors[0], tensors[-1]
        write(self.form, *self.arrays, h, C, logits, draws[:, 0], float(temperature), ids[:, 0])
        after = [tuple(each[i : i + 1] for each in tensors) for i in range(len(state))]
        return ids, logits[None], after

    def write_many(
        self, logits: Array, state: list[tuple[Array, ...]], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[tuple[Array, ...]]]:
        """The same of several texts: NumPy's products, which spread over the cores, between them
        the draws and the gates, compiled.
        """
        (T, N), G_H = draws.shape, self.U[0].shape[1]
        ids, logits = np.empty((T, N), dtype=np.int64), logits.astype(np.float32)
        layers = [tuple(each.copy() for each in layer) for layer in state]
        c, cumulative, row_of_each = self.arrays[4], np.empty(logits.shape[1]), np.arange(N)
        x, u = np.empty((N, G_H), dtype=np.float32), np.empty((N, G_H), dtype=np.float32)
        for t in range(T):
            draw_rows(logits, draws[t], float(temperature), cumulative, ids[t])
            if self.form == TEXTBOOK_GRU:  # its second product stands between its gates
                logits, layers = self.step(ids[t], layers)
                continue
            rows, of_each = self.table, ids[t]
            for number, layer in enumerate(layers):
                if number:
                    np.dot(layers[number - 1][0], self.W[number], out=x)
                    np.add(x, self.b[number], out=x)
                    rows, of_each = x, row_of_each
                np.dot(layer[0], self.U[number], out=u)
                step_rows(self.form, rows, of_each, u, c[number], layer[0], layer[-1])
            np.dot(layers[-1][0], self.output, out=logits)
            np.add(logits, self.output_bias, out=logits)
        return ids, logits, layers


def aligned(array: Array) -> Array:
    """A copy in float32 from which no vector register's load touches two lines of the cache."""
    size = array.size * 4
    memory = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy = memory[start : start + size].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


@fast
def write(
    form: int,
    table: Array,
    W: Array,
    b: Array,
    U: Array,
    c: Array,
    output: Array,
    output_bias: Array,
    h: Array,
    C: Array,
    logits: Array,
    draws: Array,
    temperature: float,
    ids: Array,
) -> None:
    """An id for each draw, and a step after it."""
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
            # The reset gate stands between h and the last third of the textbook form's product.
            product(c[layer], h[layer], U[layer], 0, u[: 2 * H] if form == TEXTBOOK_GRU else u)
            if form == RNN:
                rnn_step(x, u, h[layer])
            elif form == GRU:
                gru_step(x, u, h[layer])
            elif form == TEXTBOOK_GRU:
                textbook_gru_step(x, u, c[layer], U[layer], h[layer])
            else:
                lstm_step(x, u, h[layer], C[layer])
        product(output_bias, h[L - 1], output, 0, logits)


@fast
def draw_rows(
    logits: Array, draws: Array, temperature: float, cumulative: Array, ids: Array
) -> None:
    for i in range(logits.shape[0]):
        ids[i] = draw(logits[i], draws[i], temperature, cumulative)


@fast
def step_rows(
    form: int, rows: Array, of_each: Array, u: Array, c: Array, h: Array, C: Array
) -> None:
    """A layer's step of N texts, whose input shares are these rows (K, G·H) of each (N)."""
    for i in range(u.shape[0]):
        x, sums = rows[of_each[i]], u[i]
        for j in range(sums.shape[0]):
            sums[j] += c[j]
        if form == RNN:
            rnn_step(x, sums, h[i])
        elif form == GRU:
            gru_step(x, sums, h[i])
        else:
            lstm_step(x, sums, h[i], C[i])


@fast
def product(bias: Array, h: Array, M: Array, first: int, sums: Array) -> None:
    """Make the sums h @ M + bias, each from its column `first` on.

    Four rows at a time, and so a quarter of the loads and stores of the sums.
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


@fast
def rnn_step(x: Array, u: Array, h: Array) -> None:
    for j in range(h.shape[0]):
        h[j] = tanh(x[j] + u[j])


@fast
def gru_step(x: Array, u: Array, h: Array) -> None:
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    r, z, u_n, x_n = u[:H], u[H : 2 * H], u[2 * H :], x[2 * H :]
    for j in range(H):
        n = tanh(x_n[j] + r[j] * u_n[j])
        h[j] = n + z[j] * (h[j] - n)


@fast
def textbook_gru_step(x: Array, u: Array, c: Array, U: Array, h: Array) -> None:
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    rh, z, u_n, x_n = u[:H], u[H : 2 * H], u[2 * H :], x[2 * H :]
    for j in range(H):
        rh[j] *= h[j]
    product(c, rh, U, 2 * H, u_n)
    for j in range(H):
        n = tanh(x_n[j] + u_n[j])
        h[j] = n + z[j] * (h[j] - n)


@fast
def lstm_step(x: Array, u: Array, h: Array, C: Array) -> None:
    H = h.shape[0]
    for j in range(2 * H):
        u[j] = sigmoid(x[j] + u[j])
    i, f, g, x_g = u[:H], u[H : 2 * H], u[2 * H : 3 * H], x[2 * H : 3 * H]
    for j in range(H):
        g[j] = tanh(x_g[j] + g[j])
    for j in range(H):
        C[j] = f[j] * C[j] + i[j] * g[j]
    o, x_o = u[3 * H :], x[3 * H :]
    for j in range(H):
        h[j] = sigmoid(x_o[j] + o[j]) * tanh(C[j])


@fast
def draw(logits: Array, uniform: float, temperature: float, cumulative: Array) -> int:
    """`filters.distribution` without filters and `sampler.draw`, of one text; never `<unk>`."""
    V = logits.shape[0]
    best = 1
    for i in range(2, V):
        if logits[i] > logits[best]:
            best = i
    if temperature == 0:
        return best
    total = 0.0
    for i in range(1, V):
        below = np.float64(logits[i]) - np.float64(logits[best])
        # The quotient may become a product with 1 / temperature, which may be infinite.
        total += 1.0 if below == 0 else exp(below / temperature)
        cumulative[i] = total
    for i in range(1, V):
        if cumulative[i] > uniform * total:
            return i
    return 0  # Of logits that are no numbers, as there.
