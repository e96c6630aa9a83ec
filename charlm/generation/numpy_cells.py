"""One time step of each cell in NumPy, to write texts on the CPU without importing torch.

The equations are explained in `charlm.rnn.cells`. The code here needs few operations, since their
number determines the time for one text, and most of them work in place, which helps many texts.

Shapes: Wx is W x + b, (N, G·H); state holds arrays (N, H); weights come from `prepare`, by letter.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig

Array = npt.NDArray[Any]
Weights = dict[str, Array]
State = tuple[Array, ...]
Step = Callable[[Array, State, Weights, ModelConfig], State]
EPSILON = 1e-5  # of layer normalization, as in torch


def prepare(weights: Mapping[str, Array], config: ModelConfig) -> Weights:
    """A layer's weights in the form that the steps read: transposed, and with c added to b.

    The part of the gru's c that the reset gate multiplies is kept apart, as c_n. For the gru that
    resets before the product, U is also split into U_rz and U_n.
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
    """W x + b, (N, G·H)."""
    Wx = normalize(x.dot(weights["W"]), weights.get("gain_W"))
    Wx += weights["b"]
    return Wx


def recurrent_product(h: Array, weights: Weights, gates: str = "") -> Array:
    """U h, (N, G·H), or the part of it for the gates that `gates` names, such as "_rz"."""
    return normalize(h.dot(weights[f"U{gates}"]), weights.get(f"gain_U{gates}"))


def normalize(x: Array, gain: Array | None) -> Array:
    """Layer normalization over the last axis, or x itself if there is no gain."""
    if gain is None:
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normalized: Array = centred / np.sqrt(variance + EPSILON) * gain
    return normalized


def sigmoid(x: Array) -> Array:
    """Logistic sigmoid, in place; computed by tanh, since exp may overflow in float32."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


def rnn(Wx: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    sums = recurrent_product(state[0], weights)
    sums += Wx
    return (np.tanh(sums, out=sums),)


def gru(Wx: Array, state: State, weights: Weights, config: ModelConfig) -> State:
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


def lstm(Wx: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    h, C = state
    H = h.shape[1]
    gates = recurrent_product(h, weights)
    gates += Wx
    i_f, g, o = gates[:, : 2 * H], gates[:, 2 * H : 3 * H], gates[:, 3 * H :]
    sigmoid(i_f)
    np.tanh(g, out=g)
    g *= np.minimum(i_f[:, :H], 1 - i_f[:, H:]) if config.capped_gate else i_f[:, :H]
    C = C * i_f[:, H:]
    C += g
    after = np.tanh(C)
    after *= sigmoid(o)
    return after, C


def mogrifier(x: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    """Takes the input x instead of W x + b, since it is gated before W multiplies it."""
    h, C = state
    number = 1
    while (name := f"{'Q' if number % 2 else 'R'}{number}") + "_up" in weights:
        gating = h if number % 2 else x
        gate = sigmoid(gating.dot(weights[f"{name}_down"]).dot(weights[f"{name}_up"]))
        gate *= 2
        x, h = (gate * x, h) if number % 2 else (x, gate * h)
        number += 1
    return lstm(input_projection(x, weights), (h, C), weights, config)


def mingru(Wx: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    z, n = np.split(Wx, 2, axis=1)
    z = sigmoid(z.copy())
    return ((1 - z) * state[0] + z * n,)


def minlstm(Wx: Array, state: State, weights: Weights, config: ModelConfig) -> State:
    i, f, n = np.split(Wx, 3, axis=1)
    # f / (f + i), in log space since both sigmoids may underflow to zero.
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
