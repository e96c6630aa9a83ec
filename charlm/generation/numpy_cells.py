"""One time step of each cell in NumPy, for texts on the CPU: no framework, and none to import.

The equations stand in `charlm.rnn.cells`. Here they take few operations, which is what the time of
one text goes by, and most of them in place, which helps many texts.

Shapes: Wx (N, G·H), W x + b; state, each (N, H); weights by letter, as `prepare` makes them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig

Array = npt.NDArray[Any]
Weights = dict[str, Array]
State = tuple[Array, ...]
Step = Callable[[Array, State, Weights], State]
EPSILON = 1e-5  # torch's, of layer normalization


def prepare(weights: Mapping[str, Array], config: ModelConfig) -> Weights:
    """A layer's weights as the steps read them: transposed, and the biases in one.

    Only the last third of the gru's c stays alone, which the reset gate multiplies.
    """
    made = {name: np.ascontiguousarray(each.T) for name, each in weights.items()}
    c = made.pop("c", None)
    if c is not None:
        H = config.hidden_size
        alone = 2 * H if config.cell == "gru" and config.reset_after else len(c)
        made["b"] = made["b"].copy()
        made["b"][:alone] += c[:alone]
        made["c_n"] = c[alone:]
    if config.cell == "gru" and not config.reset_after:
        for name in [name for name in ("U", "gain_U") if name in made]:
            for part, columns in (("rz", slice(2 * H)), ("n", slice(2 * H, None))):
                made[f"{name}_{part}"] = np.ascontiguousarray(made[name][..., columns])
    return made


def input_projection(x: Array, weights: Weights) -> Array:
    """W x + b"""
    Wx = normalize(x.dot(weights["W"]), weights.get("gain_W"))
    Wx += weights["b"]
    return Wx


def recurrent_product(h: Array, weights: Weights, gates: str = "") -> Array:
    """U h, of some gates or of all."""
    return normalize(h.dot(weights[f"U{gates}"]), weights.get(f"gain_U{gates}"))


def normalize(x: Array, gain: Array | None) -> Array:
    """Layer normalization over the last axis, if there is a gain."""
    if gain is None:
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + EPSILON) * gain)


def sigmoid(x: Array) -> Array:
    """In place. exp overflows in float32 where tanh saturates."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


def rnn(Wx: Array, state: State, weights: Weights) -> State:
    sums = recurrent_product(state[0], weights)
    sums += Wx
    return (np.tanh(sums, out=sums),)


def gru(Wx: Array, state: State, weights: Weights) -> State:
    (h,) = state
    H = h.shape[1]
    if "U_n" not in weights:
        Uh = recurrent_product(h, weights)
        rz = sigmoid(Uh[:, : 2 * H] + Wx[:, : 2 * H])
        n = Uh[:, 2 * H :] + weights["c_n"]
        n *= rz[:, :H]
    else:  # resets before the product
        rz = sigmoid(recurrent_product(h, weights, "_rz") + Wx[:, : 2 * H])
        n = recurrent_product(rz[:, :H] * h, weights, "_n")
    n += Wx[:, 2 * H :]
    np.tanh(n, out=n)
    # (1 - z) n + z h
    after = h - n
    after *= rz[:, H:]
    after += n
    return (after,)


def lstm(Wx: Array, state: State, weights: Weights) -> State:
    h, C = state
    H = h.shape[1]
    gates = recurrent_product(h, weights)
    gates += Wx
    i_f, g, o = gates[:, : 2 * H], gates[:, 2 * H : 3 * H], gates[:, 3 * H :]
    sigmoid(i_f)
    np.tanh(g, out=g)
    g *= i_f[:, :H]
    C = C * i_f[:, H:]
    C += g
    after = np.tanh(C)
    after *= sigmoid(o)
    return after, C


def mogrifier(x: Array, state: State, weights: Weights) -> State:
    """Takes the input itself, since it is gated before it is multiplied by W."""
    h, C = state
    number = 1
    while (name := f"{'Q' if number % 2 else 'R'}{number}") + "_up" in weights:
        gating = h if number % 2 else x
        gate = sigmoid(gating.dot(weights[f"{name}_down"]).dot(weights[f"{name}_up"]))
        gate *= 2
        x, h = (gate * x, h) if number % 2 else (x, gate * h)
        number += 1
    return lstm(input_projection(x, weights), (h, C), weights)


def mingru(Wx: Array, state: State, weights: Weights) -> State:
    z, n = np.split(Wx, 2, axis=1)
    z = sigmoid(z.copy())
    return ((1 - z) * state[0] + z * n,)


def minlstm(Wx: Array, state: State, weights: Weights) -> State:
    i, f, n = np.split(Wx, 3, axis=1)
    # f / (f + i) by logarithms: both gates may be so far shut that they are zero.
    share = sigmoid(np.logaddexp(0, -i) - np.logaddexp(0, -f))
    return (share * state[0] + (1 - share) * n,)


# Each cell's step, and the number of tensors in its state.
STEPS: dict[str, tuple[Step, int]] = {
    "rnn": (rnn, 1),
    "gru": (gru, 1),
    "lstm": (lstm, 2),
    "mogrifier": (mogrifier, 2),
    "mingru": (mingru, 1),
    "minlstm": (minlstm, 1),
}
