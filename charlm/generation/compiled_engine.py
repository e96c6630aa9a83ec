"""Writing texts on the CPU by compiled code, many characters per call.

No Python runs between two characters; for a single text it costs the NumPy engine more time than
the products do. Several texts are divided among the cores.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from charlm import kernels
from charlm.config import ModelConfig
from charlm.errors import value_error_as_usage_error
from charlm.generation.engine import Array
from charlm.generation.numpy_cells import State
from charlm.generation.numpy_engine import NumpyEngine
from charlm.machine.threads import cores

CACHE_LINE = 64
FEWEST_TEXTS = 4  # per core that is used


def check_choice() -> None:
    """Raise UsageError if the environment variable CHARLM_KERNELS has an unknown value."""
    with value_error_as_usage_error():
        kernels.choice()


def writes(config: ModelConfig) -> bool:
    """Whether compiled code has the model: an rnn, gru or lstm without layer norm or zoneout."""
    plain = config.cell in ("rnn", "gru", "lstm") and not (config.layer_norm or config.zoneout)
    return plain and kernels.available()


class CompiledEngine(NumpyEngine):
    """The NumPy engine, able to write many characters per call.

    Args:
        config: the model's configuration.
        weights: in float32, named as in `LanguageModel.weights`.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        super().__init__(config, weights)
        textbook = config.cell == "gru" and not config.reset_after
        form = "textbook-" if textbook else "capped-" if config.capped_gate else ""
        self.cell = f"{form}{config.cell}"
        self.cores = cores()
        G_H = self.layers[0]["U"].shape[1]
        self.U = np.stack([each["U"] for each in self.layers])
        self.W = np.array([each["W"] for each in self.layers[1:]], np.float32)
        self.W = self.W.reshape(-1, *self.U.shape[1:])
        self.b = np.array([each["b"] for each in self.layers[1:]], np.float32).reshape(-1, G_H)
        c_n = np.array([each["c_n"] for each in self.layers])
        self.c = np.zeros((len(self.layers), G_H), dtype=np.float32)
        self.c[:, G_H - c_n.shape[1] :] = c_n

    @cached_property
    def single_text_weights(self) -> tuple[Array, ...]:
        """The weights in the form that `kernels.write_text` reads."""
        return (
            aligned(self.table),
            aligned(self.W),
            self.b,
            aligned(self.U),
            self.c,
            aligned(self.output),
            aligned(self.output_bias),
        )

    @cached_property
    def several_texts_weights(self) -> tuple[Array, ...]:
        """The weights in the form that `kernels.write_texts` reads."""
        # The textbook gru multiplies by the last third of U separately.
        first = 2 * self.config.hidden_size if self.cell == "textbook-gru" else self.U.shape[2]
        return (
            aligned(self.table),
            packed(self.W),
            self.b,
            packed(self.U[:, :, :first]),
            packed(self.U[:, :, first:]),
            self.c,
            packed(self.output[None])[0],
            aligned(self.output_bias),
        )

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """A pool with one thread per core."""
        return ThreadPoolExecutor(self.cores)

    def generate_block(
        self, logits: Array, state: list[State], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[State]]:
        """See `charlm.generation.engine.BlockEngine`."""
        if draws.shape[1] > 1:
            return self._block_of_several(logits, state, draws, temperature)
        logits, ids = logits[0].copy(), np.empty(draws.shape, dtype=np.int64)
        tensors = [np.concatenate(each) for each in zip(*state, strict=True)]
        h, C = tensors[0], tensors[-1]
        block = (h, C, logits, draws[:, 0], float(temperature), ids[:, 0])
        kernels.write_text(self.cell, *self.single_text_weights, *block)
        after = [tuple(each[i : i + 1] for each in tensors) for i in range(len(state))]
        return ids, logits[None], after

    def _block_of_several(
        self, logits: Array, state: list[State], draws: Array, temperature: float
    ) -> tuple[Array, Array, list[State]]:
        """`generate_block` for several texts, divided among the cores."""
        T, N = draws.shape
        ids, logits = np.empty((T, N), dtype=np.int64), logits.astype(np.float32)
        tensors = [np.stack(each) for each in zip(*state, strict=True)]
        h, C = tensors[0], tensors[-1]
        block = (h, C, logits, draws, float(temperature), ids)
        parts = max(1, min(self.cores, N // FEWEST_TEXTS))
        bounds = [N * part // parts for part in range(parts + 1)]

        def write(first: int, end: int) -> None:
            kernels.write_texts(self.cell, *self.several_texts_weights, *block, first, end)

        list(self.threads.map(write, bounds, bounds[1:]))
        return ids, logits, [tuple(each[i] for each in tensors) for i in range(len(state))]


def aligned(array: Array) -> Array:
    """A float32 copy that starts at a cache line, so that no vector load touches two lines."""
    size = array.size * 4
    memory = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy = memory[start : start + size].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


def packed(matrices: Array) -> Array:
    """Pack matrices (L, K, N) into panels (L, P, K, width) for the compiled products."""
    L, K, N = matrices.shape
    P, _, width = kernels.packed_shape(K, N)
    columns = np.zeros((L, K, P * width), dtype=np.float32)
    columns[..., :N] = matrices
    return aligned(columns.reshape(L, K, P, width).transpose(0, 2, 1, 3))
