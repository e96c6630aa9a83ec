"""Writing texts on the CPU with NumPy alone, a character at a time."""

from collections.abc import Mapping, Sequence

import numpy as np

from charlm.config import ModelConfig
from charlm.errors import look_up
from charlm.generation.engine import Array
from charlm.generation.numpy_cells import STEPS, State, input_projection, normalize, prepare
from charlm.rnn.names import by_letter

# Of weights that are large the products are not: whoever draws from logits looks whether they are
# finite, and nobody needs to be warned of each.
unwarned = np.errstate(over="ignore", invalid="ignore")


class NumpyEngine:
    """The model in NumPy, with every cell in every variant.

    Args:
        config: the model's configuration.
        weights: named as in `LanguageModel.weights`.
    """

    @unwarned
    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        self.cell_step, self.state_tensors = look_up(STEPS, config.cell, "cell")
        self.layers = [
            prepare(by_letter(weights, layer), config) for layer in range(config.num_layers)
        ]
        vectors = weights.get("embedding.weight")
        self.projects_input = config.cell != "mogrifier"
        self.table = self._table(vectors)
        output = weights["embedding.weight" if config.tie_weights else "output.weight"].T
        if "projection.weight" in weights:
            output = weights["projection.weight"].T @ output
        self.output = np.ascontiguousarray(output)
        self.output_bias = weights["output.bias"]

    def _table(self, vectors: Array | None) -> Array:
        """The first layer's W x + b for every character, (V, G·H); for the Mogrifier x, (V, I)."""
        first = self.layers[0]
        if not self.projects_input:
            V = self.config.vocabulary_size
            return np.eye(V, dtype=first["W"].dtype) if vectors is None else vectors
        if vectors is not None:
            return input_projection(vectors, first)
        # The product with a one-hot vector is a row of the matrix.
        table = normalize(first["W"], first.get("gain_W"))
        return np.asarray(table + first["b"])

    def initial_state(self, texts: int) -> list[State]:
        zeros = np.zeros((texts, self.config.hidden_size), dtype=self.output.dtype)
        return [(zeros,) * self.state_tensors for _ in self.layers]

    @unwarned
    def step(self, ids: Array, state: list[State]) -> tuple[Array, list[State]]:
        """See `charlm.generation.engine.Engine`."""
        x, after = self.table.take(ids, axis=0), []
        for layer, (before, weights) in enumerate(zip(state, self.layers, strict=True)):
            if layer and self.projects_input:
                x = input_projection(x, weights)
            new = self.cell_step(x, before, weights, self.config)
            if self.config.zoneout:
                moved = 1 - self.config.zoneout
                new = tuple(b + moved * (n - b) for b, n in zip(before, new, strict=True))
            after.append(new)
            x = new[0]
        logits = x.dot(self.output)
        logits += self.output_bias
        return logits, after

    def select(self, state: list[State], texts: Array) -> list[State]:
        return [tuple(each[texts] for each in layer) for layer in state]

    def join(self, states: Sequence[list[State]]) -> list[State]:
        layers = zip(*states, strict=True)
        return [tuple(map(np.concatenate, zip(*each, strict=True))) for each in layers]

    def to_arrays(self, state: list[State]) -> tuple[Array, ...]:
        return tuple(np.stack(each).astype(np.float32) for each in zip(*state, strict=True))

    def from_arrays(self, arrays: Sequence[Array]) -> list[State]:
        kept = [each.astype(self.output.dtype) for each in arrays]
        return [tuple(each[layer] for each in kept) for layer in range(len(self.layers))]
