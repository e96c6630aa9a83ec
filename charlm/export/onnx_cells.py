"""One time step of each cell as an ONNX graph. The equations are explained in `charlm.rnn.cells`.

Shapes: Wx is W x + b, (N, G·H); the state holds tensors (N, H); weights are a layer's, by letter.
"""

from collections.abc import Callable, Mapping

from charlm.config import ModelConfig
from charlm.export.onnx_graph import Value, linear, normalize, sigmoid, tanh

Weights = Mapping[str, Value]
State = tuple[Value, ...]
Step = Callable[[Value, State, Weights, ModelConfig], State]


def affine(x: Value, matrix: Value, gain: Value | None, bias: Value) -> Value:
    """A x + b, (N, rows); with a gain A x is normalized."""
    if gain is None:
        return linear(x, matrix, bias)
    return normalize(linear(x, matrix), gain) + bias


def input_projection(x: Value, weights: Weights) -> Value:
    """W x + b."""
    return affine(x, weights["W"], weights.get("gain_W"), weights["b"])


def recurrent_product(h: Value, weights: Weights) -> Value:
    """U h + c."""
    return affine(h, weights["U"], weights.get("gain_U"), weights["c"])


def rnn(Wx: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    return (tanh(Wx + recurrent_product(state[0], weights)),)


def gru(Wx: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    (h,), H = state, config.hidden_size
    if config.reset_after:
        Wx_r, Wx_z, Wx_n = Wx.split(H, H, H)
        Uh_r, Uh_z, Uh_n = recurrent_product(h, weights).split(H, H, H)
        r, z = sigmoid(Wx_r + Uh_r), sigmoid(Wx_z + Uh_z)
        n = tanh(Wx_n + r * Uh_n)
    else:
        Wx_rz, Wx_n = Wx.split(2 * H, H)
        letters = [each for each in ("U", "c", "gain_U") if each in weights]
        parts = [weights[each].split(2 * H, H, axis=0) for each in letters]
        of_rz, of_n = (dict(zip(letters, part, strict=True)) for part in zip(*parts, strict=True))
        r, z = sigmoid(Wx_rz + recurrent_product(h, of_rz)).split(H, H)
        n = tanh(Wx_n + recurrent_product(r * h, of_n))
    return (n + z * (h - n),)


def lstm(Wx: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    (h, C), H = state, config.hidden_size
    i, f, g, o = (Wx + recurrent_product(h, weights)).split(H, H, H, H)
    i, f = sigmoid(i), sigmoid(f)
    if config.capped_gate:
        i = i.apply("Min", f.number(1.0) - f)
    C = f * C + i * tanh(g)
    return sigmoid(o) * tanh(C), C


def mogrifier(x: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    """Takes the input x instead of W x + b, since it is gated before W multiplies it."""
    h, C = state
    for number in range(1, config.mogrifier_rounds + 1):
        name, gating = (f"Q{number}", h) if number % 2 else (f"R{number}", x)
        product = linear(linear(gating, weights[f"{name}_down"]), weights[f"{name}_up"])
        gate = sigmoid(product) * product.number(2.0)
        x, h = (gate * x, h) if number % 2 else (x, gate * h)
    return lstm(input_projection(x, weights), (h, C), weights, config)


def mingru(Wx: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    (h,), H = state, config.hidden_size
    z, n = Wx.split(H, H)
    return (h + sigmoid(z) * (n - h),)


def minlstm(Wx: Value, state: State, weights: Weights, config: ModelConfig) -> State:
    (h,), H = state, config.hidden_size
    i, f, n = Wx.split(H, H, H)
    # σ(f) / (σ(f) + σ(i)), in log space since both may underflow to zero.
    minus = i.number(-1.0)
    share = sigmoid((i * minus).apply("Softplus") - (f * minus).apply("Softplus"))
    return (n + share * (h - n),)


STEPS: dict[str, Step] = {
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
    "mogrifier": mogrifier,
    "mingru": mingru,
    "minlstm": minlstm,
}
