"""The NumPy engine of whatever the fast one lacks: every cell in every form, as it is written."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig
from charlm.errors import look_up
from charlm.rnn.names import by_letter

Array = npt.NDArray[np.floating]
Weights = dict[str, Array]
State = tuple[Array, ...]


def sigmoid(x: Array) -> Array:
    # exp overflows in float32 where tanh saturates.
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5)


def normalize(x: Array, weights: Weights, gain: str) -> Array:
    """Layer normalization, if the layer has this gain."""
    if gain not in weights:
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    # Torch's epsilon.
    return np.asarray(
        centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-5) * weights[gain]
    )


def share(x: Array, weights: Weights) -> Array:
    """W x + b"""
    return normalize(x @ weights["W"].T, weights, "gain_W") + weights["b"]


def recurrent(h: Array, weights: Weights) -> Array:
    """U h + c"""
    return normalize(h @ weights["U"].T, weights, "gain_U") + weights["c"]


def rnn(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    return (np.tanh(share(x, weights) + recurrent(state[0], weights)),)


def gru(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    (h,) = state
    H = h.shape[1]
    Wx = share(x, weights)
    if config.reset_after:
        Uh = recurrent(h, weights)
        r, z = np.split(sigmoid(Wx[:, : 2 * H] + Uh[:, : 2 * H]), 2, axis=1)
        n = np.tanh(Wx[:, 2 * H :] + r * Uh[:, 2 * H :])
    else:
        rz, n_ = (
            {name: each[rows] for name, each in weights.items()}
            for rows in (slice(2 * H), slice(2 * H, None))
        )
        r, z = np.split(sigmoid(Wx[:, : 2 * H] + recurrent(h, rz)), 2, axis=1)
        n = np.tanh(Wx[:, 2 * H :] + recurrent(r * h, n_))
    return ((1 - z) * n + z * h,)


def lstm(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    h, C = state
    i, f, g, o = np.split(share(x, weights) + recurrent(h, weights), 4, axis=1)
    C = sigmoid(f) * C + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(C), C


def mogrifier(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    h, C = state
    for number in range(1, config.mogrifier_rounds + 1):
        gating, name = (h, f"Q{number}") if number % 2 else (x, f"R{number}")
        gate = 2 * sigmoid(gating @ weights[f"{name}_down"].T @ weights[f"{name}_up"].T)
        x, h = (gate * x, h) if number % 2 else (x, gate * h)
    return lstm(x, (h, C), weights, config)


def mingru(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    z, n = np.split(share(x, weights), 2, axis=1)
    z = sigmoid(z)
    return ((1 - z) * state[0] + z * n,)


def minlstm(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    i, f, n = np.split(share(x, weights), 3, axis=1)
    # f / (f + i) by logarithms: both gates may be so far shut that they are zero.
    held = sigmoid(np.logaddexp(0, -i) - np.logaddexp(0, -f))
    return (held * state[0] + (1 - held) * n,)


Step = Callable[[Array, State, Weights, ModelConfig], State]
# Each cell's step, from the layer's input to its state, and the number of its state tensors.
CELLS: dict[str, tuple[Step, int]] = {
    "rnn": (rnn, 1),
    "gru": (gru, 1),
    "lstm": (lstm, 2),
    "mogrifier": (mogrifier, 2),
    "mingru": (mingru, 1),
    "minlstm": (minlstm, 1),
}


class EquationsEngine:
    """The model without torch, in the words of `charlm.rnn.cells`.

    Args:
        weights: by the names of LanguageModel.weights().
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        self.config, self.weights = config, weights
        self.cell, self.state_tensors = look_up(CELLS, config.cell, "cell")
        self.layers = [by_letter(weights, layer) for layer in range(config.num_layers)]
        V = config.vocabulary_size
        self.vectors = weights.get("embedding.weight", np.eye(V, dtype=np.float32))
        self.output = weights["embedding.weight" if config.tie_weights else "output.weight"]

    def initial_state(self, texts: int) -> list[State]:
        zeros = np.zeros((texts, self.config.hidden_size), dtype=self.output.dtype)
        return [(zeros,) * self.state_tensors for _ in self.layers]

    def step(self, ids: npt.NDArray[np.integer], state: list[State]) -> tuple[Array, list[State]]:
        """Logits (N, V) after reading the ids (N,), and the new state; the old one stays."""
        x, held, after = self.vectors[ids], self.config.zoneout, []
        for before, weights in zip(state, self.layers, strict=True):
            new = self.cell(x, before, weights, self.config)
            if held:
                new = tuple(b + (1 - held) * (n - b) for b, n in zip(before, new, strict=True))
            after.append(new)
            x = new[0]
        if "projection.weight" in self.weights:
            x = x @ self.weights["projection.weight"].T
        return np.asarray(x @ self.output.T + self.weights["output.bias"]), after

    def repeat(self, state: list[State], texts: int) -> list[State]:
        return [tuple(each.repeat(texts, axis=0) for each in layer) for layer in state]
