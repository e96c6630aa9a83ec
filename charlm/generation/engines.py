"""Who computes the next logits, a character of N texts at a time."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.equations import EquationsEngine
from charlm.generation.filters import filtered
from charlm.rnn import kernel_choice

if TYPE_CHECKING:
    from charlm.model import LanguageModel

Array = npt.NDArray[Any]
# One (N, H) array for each layer and state tensor, or whatever else an engine carries.
EngineState = Any


class Engine(Protocol):
    """A recurrent model as a function of one step."""

    def initial_state(self, texts: int) -> EngineState:
        """Zeros for N texts."""

    def step(self, ids: Array, state: EngineState) -> tuple[Array, EngineState]:
        """Logits (N, V) after reading the ids (N,), and the new state; the old one stays."""

    def repeat(self, state: EngineState, texts: int) -> EngineState:
        """The state of one text as that of N."""


@runtime_checkable
class Writer(Protocol):
    """An engine that also writes many characters to a call."""

    def write(
        self, logits: Array, state: EngineState, draws: Array, temperature: float
    ) -> tuple[Array, Array, EngineState]:
        """The next ids (T, N) of N texts, and the logits and the state after the last of them.

        From where a text's largest logit is NaN or infinite on, its ids are UNKNOWN_ID.

        Args:
            logits: (N, V), those of the first of the ids.
            draws: uniform in [0, 1), one for each of the ids, (T, N).
        """


def sigmoid(x: Array) -> Array:
    """In place. exp overflows in float32 where tanh saturates."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


# Few operations, which is what one text's time goes by, and most in place, which helps many texts.
# `dot` does a row's product with less ado than `@`, but copies what is only some of the columns.
# Biases are in Wx but for c, which the gru's reset gate multiplies.
Step = Callable[[Array, tuple[Array, ...], Array, Array], tuple[Array, ...]]


def rnn_step(Wx: Array, state: tuple[Array, ...], U: Array, c: Array) -> tuple[Array, ...]:
    (h,) = state
    sums = h.dot(U)
    sums += Wx
    return (np.tanh(sums, out=sums),)


def gru_step(Wx: Array, state: tuple[Array, ...], U: Array, c: Array) -> tuple[Array, ...]:
    (h,) = state
    H = h.shape[1]
    Uh = h.dot(U)
    rz = sigmoid(Uh[:, : 2 * H] + Wx[:, : 2 * H])
    n = Uh[:, 2 * H :] + c
    n *= rz[:, :H]
    n += Wx[:, 2 * H :]
    return (between(np.tanh(n, out=n), h, rz[:, H:]),)


def textbook_gru_step(Wx: Array, state: tuple[Array, ...], U: Array, c: Array) -> tuple[Array, ...]:
    (h,) = state
    H = h.shape[1]
    rz = h @ U[:, : 2 * H]
    rz += Wx[:, : 2 * H]
    rz = sigmoid(rz)
    n = (rz[:, :H] * h) @ U[:, 2 * H :]
    n += Wx[:, 2 * H :]
    return (between(np.tanh(n, out=n), h, rz[:, H:]),)


def between(n: Array, h: Array, z: Array) -> Array:
    """(1 - z) n + z h"""
    after = h - n
    after *= z
    after += n
    return after


def lstm_step(Wx: Array, state: tuple[Array, ...], U: Array, c: Array) -> tuple[Array, ...]:
    h, C = state
    H = h.shape[1]
    gates = h.dot(U)
    gates += Wx
    i_f, g, o = gates[:, : 2 * H], gates[:, 2 * H : 3 * H], gates[:, 3 * H :]
    sigmoid(i_f)
    np.tanh(g, out=g)
    g *= i_f[:, :H]
    C = C * i_f[:, H:]
    C += g
    after = np.tanh(C)
    after *= sigmoid(o)
    return (after, C)


# Each cell's step and the number of its state tensors.
STEPS: dict[str, tuple[Step, int]] = {
    "rnn": (rnn_step, 1),
    "gru": (gru_step, 1),
    "lstm": (lstm_step, 2),
}


# Characters from which on numba pays: it takes about 0.3 s to be imported and to load what it
# compiled before, and seconds the first time ever; NumPy writes some 10,000 of one text in 0.3 s,
# of many 60,000.
LONG = 30_000
LONG_TOGETHER = 200_000
# Weights beyond which the products take the time, and NumPy spreads them over the cores.
LARGE = 2**22


# Steps to a block from which on it is recorded.
WORTH_RECORDING = 32


class NumpyEngine:
    """The model without torch: no framework between two characters, and none to import.

    It has the cells of STEPS without layer normalization and zoneout.

    Args:
        weights: by the names of LanguageModel.weights().
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        self.hidden_size = config.hidden_size
        self.step_layer, self.state_tensors = STEPS[config.cell]
        if config.cell == "gru" and not config.reset_after:
            self.step_layer = textbook_gru_step
        layers = range(config.num_layers)
        self.U = [np.ascontiguousarray(weights[f"rnn.weight_hh_l{i}"].T) for i in layers]
        self.W = [np.ascontiguousarray(weights[f"rnn.weight_ih_l{i}"].T) for i in layers]
        # Both biases are one, but for the last third of the gru's, which the reset gate multiplies.
        alone = 2 * self.hidden_size if self.step_layer is gru_step else self.U[0].shape[1]
        biases = [weights[f"rnn.bias_hh_l{i}"] for i in layers]
        self.c = [each[alone:] for each in biases]
        self.b = [weights[f"rnn.bias_ih_l{i}"].copy() for i in layers]
        for b, c in zip(self.b, biases, strict=True):
            b[:alone] += c[:alone]
        # The alphabet is small: the first layer's share of every character, once and for all.
        vectors = weights.get("embedding.weight")
        self.table = (self.W[0] if vectors is None else vectors @ self.W[0]) + self.b[0]
        output = weights["embedding.weight" if config.tie_weights else "output.weight"].T
        if "projection.weight" in weights:
            output = weights["projection.weight"].T @ output
        self.output = np.ascontiguousarray(output)
        self.output_bias = weights["output.bias"]

    def initial_state(self, texts: int) -> list[tuple[Array, ...]]:
        zeros = np.zeros((texts, self.hidden_size), dtype=self.output.dtype)
        return [(zeros,) * self.state_tensors for _ in self.U]

    def step(
        self, ids: Array, state: list[tuple[Array, ...]]
    ) -> tuple[Array, list[tuple[Array, ...]]]:
        Wx = self.table.take(ids, axis=0)
        after: list[tuple[Array, ...]] = []
        for layer, before in enumerate(state):
            if layer:
                Wx = after[-1][0].dot(self.W[layer])
                Wx += self.b[layer]
            after.append(self.step_layer(Wx, before, self.U[layer], self.c[layer]))
        logits = after[-1][0].dot(self.output)
        logits += self.output_bias
        return logits, after

    def repeat(self, state: list[tuple[Array, ...]], texts: int) -> list[tuple[Array, ...]]:
        return [tuple(each.repeat(texts, axis=0) for each in layer) for layer in state]


def cpu_engine(
    config: ModelConfig, weights: Mapping[str, Array], sampling: SamplingConfig | None = None
) -> Engine:
    """What writes the texts that are asked for in the shortest time, its own start included."""
    if config.cell not in STEPS or config.layer_norm or config.zoneout:
        return EquationsEngine(config, weights)
    kernel_choice.choice()  # which may be nonsense, whatever is to be written
    wanted = sampling and not filtered(sampling) and compiling_pays(weights, sampling)
    if wanted and kernel_choice.compiles():
        from charlm.generation.compiled import CompiledEngine

        return CompiledEngine(config, weights)
    return NumpyEngine(config, weights)


def compiling_pays(weights: Mapping[str, Array], sampling: SamplingConfig) -> bool:
    """Whether the compiled engine makes up for its start."""
    if sampling.num_samples == 1:
        return sampling.length >= LONG and sum(each.size for each in weights.values()) <= LARGE
    return sampling.length * sampling.num_samples >= LONG_TOGETHER


class TorchEngine:
    """The model on its own device, from whose memory texts return a block at a time.

    On CUDA the steps of a block, their draws included, are recorded once and replayed.
    """

    def __init__(self, model: "LanguageModel") -> None:
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.recordings: dict[tuple[Any, ...], Callable[..., tuple[Any, ...]]] = {}

    def initial_state(self, texts: int) -> EngineState:
        return self.model.initial_state(texts)

    def step(self, ids: Array, state: EngineState) -> tuple[Array, EngineState]:
        import torch

        with torch.inference_mode():
            window = torch.from_numpy(ids.astype(np.int64)).to(self.device).unsqueeze(0)
            logits, state = self.model(window, state)
            return logits[0].float().cpu().numpy(), state

    def write(
        self, logits: Array, state: EngineState, draws: Array, temperature: float
    ) -> tuple[Array, Array, EngineState]:
        """See Writer."""
        import torch

        from charlm.generation.drawing import write
        from charlm.recording import CudaGraphs, Recording

        function: Callable[..., tuple[Any, ...]] = partial(write, self.model, temperature == 0)
        if self.device.type == "cuda" and len(draws) >= WORTH_RECORDING:
            key = (*draws.shape, temperature == 0)
            if key not in self.recordings:
                self.recordings[key] = Recording(function, self.device, CudaGraphs())
            function = self.recordings[key]
        if self.device.type == "mps":  # which has no float64
            draws = draws.astype(np.float32)
        given = [torch.from_numpy(each).to(self.device) for each in (draws, logits)]
        with torch.inference_mode():
            ids, after, *last = function(temperature, *given, *state)
            return ids.cpu().numpy(), after.cpu().numpy(), tuple(each.clone() for each in last)

    def repeat(self, state: EngineState, texts: int) -> EngineState:
        return tuple(each.repeat(1, texts, 1) for each in state)
