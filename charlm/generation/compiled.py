"""Texts on the CPU, many characters to a call of compiled code.

Between two characters there is no Python, which costs the NumPy engine of one text more than the
products do. Of several texts each core writes some, with products of its own.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from charlm.config import ModelConfig
from charlm.generation.engines import Array, NumpyEngine
from charlm.generation.writing import GRU, LSTM, RNN, TEXTBOOK_GRU, write, write_rows
from charlm.rnn.tiles import FEW_ROWS, WIDTH, padded
from charlm.threads import cores

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
        G_H = self.U[0].shape[1]
        self.c_of_each = np.zeros((len(self.U), G_H), dtype=np.float32)
        self.c_of_each[:, G_H - self.c[0].size :] = self.c
        self.b_of_each = np.array(self.b[1:], dtype=np.float32).reshape(-1, G_H)
        self.W_of_each = np.array(self.W[1:], dtype=np.float32).reshape(-1, *self.U[0].shape)
        self.cores = cores()

    @cached_property
    def arrays(self) -> tuple[Array, ...]:
        """What one text is written with."""
        return (
            aligned(self.table),
            aligned(self.W_of_each),
            self.b_of_each,
            aligned(np.stack(self.U)),
            self.c_of_each,
            aligned(self.output),
            aligned(self.output_bias),
        )

    @cached_property
    def laid_out(self) -> tuple[Array, ...]:
        """What several texts are written with."""
        U = np.stack(self.U)
        # The textbook's gru multiplies with the last third apart from the others.
        apart = 2 * self.hidden_size if self.form == TEXTBOOK_GRU else U.shape[2]
        return (
            aligned(self.table),
            panels(self.W_of_each),
            self.b_of_each,
            panels(U[:, :, :apart]),
            panels(U[:, :, apart:]),
            self.c_of_each,
            panels(self.output[None])[0],
            aligned(self.output_bias),
        )

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.cores)

    def write(
        self, logits: Array, state: list[tuple[Array, ...]], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[tuple[Array, ...]]]:
        """See `charlm.generation.engines.Writer`."""
        if draws.shape[1] > 1:
            return self.write_many(logits, state, draws, temperature)
        logits, ids = logits[0].copy(), np.empty(draws.shape, dtype=np.int64)
        tensors = [np.concatenate(each) for each in zip(*state, strict=True)]
        h, C = tensors[0], tensors[-1]
        about: Any = *self.arrays, h, C, logits, draws[:, 0], float(temperature), ids[:, 0]
        write(self.form, *about)
        after = [tuple(each[i : i + 1] for each in tensors) for i in range(len(state))]
        return ids, logits[None], after

    def write_many(
        self, logits: Array, state: list[tuple[Array, ...]], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[tuple[Array, ...]]]:
        """The same of several texts, of which each core writes some."""
        T, N = draws.shape
        ids, logits = np.empty((T, N), dtype=np.int64), logits.astype(np.float32)
        tensors = [np.stack(each) for each in zip(*state, strict=True)]
        h, C = tensors[0], tensors[-1]
        parts = max(1, min(self.cores, N // FEW_ROWS))
        bounds = [N * part // parts for part in range(parts + 1)]

        def write_part(first: int, end: int) -> None:
            about: Any = *self.laid_out, h, C, logits, draws, float(temperature), ids, first, end
            write_rows(self.form, *about)

        list(self.threads.map(write_part, bounds, bounds[1:]))
        return ids, logits, [tuple(each[i] for each in tensors) for i in range(len(state))]


def aligned(array: Array) -> Array:
    """A copy in float32 from which no vector register's load touches two lines of the cache."""
    size = array.size * 4
    memory = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy = memory[start : start + size].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


def panels(matrices: Array) -> Array:
    """Matrices (L, K, N) as `charlm.rnn.tiles` multiplies with them, (L, P, K, WIDTH)."""
    L, K, N = matrices.shape
    columns = np.zeros((L, K, padded(N)), dtype=np.float32)
    columns[..., :N] = matrices
    return aligned(columns.reshape(L, K, padded(N) // WIDTH, WIDTH).transpose(0, 2, 1, 3))
