"""What every recurrent cell offers."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.config import ModelConfig
from charlm.rnn.weights import Shape, layer_shapes

# Recurrent state: one tensor for most cells, two for those of the lstm's kind.
State = tuple[Tensor, ...]


class LayerWeights(dict[str, Tensor]):
    """One layer's weights by the letters of the equations, read as attributes too.

    W (G·H, I), U (G·H, H), b (G·H) and c (G·H) are torch's weight_ih, weight_hh, bias_ih and
    bias_hh, whose rows are the cell's G gates in the order of `gates`. A cell may lack some and
    have others.
    """

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Cell(ABC):
    """One time step of a recurrence: its gates, and the new state.

    Many texts write one bias where torch keeps b and c; only their sum matters, except in the GRU
    that resets after the product.

    Args:
        config: says which variant of the cell; its sizes do not matter here.

    Attributes:
        gate_names: in the order of the rows of W and U.
        state_names: of the tensors of the state; the first one is the output.
        looks_up_input: only W x_t is made of the input, so that of ids it can be looked up.
    """

    name: ClassVar[str]
    gate_names: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    looks_up_input: ClassVar[bool] = True

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or ModelConfig()

    @property
    def variant(self) -> str:
        """What sets it apart from the plain cell, as words to follow its name; or nothing."""
        if self.config.zoneout:
            return "with zoneout"
        return "with layer normalization" if self.config.layer_norm else ""

    def weight_shapes(self, I: int, H: int) -> dict[str, Shape]:  # noqa: E741
        """The shapes of a layer's weights, by letter, for an input of size I."""
        return dict(layer_shapes(self.name, self.config, I, H))

    def input_projection(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """W x_t + `bias` of all time steps at once, (T, B, G·H).

        The product of W with the one-hot vector of an id is a column of W, so ids (T, B) look it
        up. With layer normalization it is normalized (see `recurrent_product`).

        Args:
            inputs: vectors (T, B, I), or ids (T, B) that stand for one-hot vectors.
        """
        if not inputs.is_floating_point():
            return F.embedding(inputs, self.projection_table(weights))
        if self.config.layer_norm:
            return normalize(F.linear(inputs, weights.W), weights.gain_W) + self.bias(weights)
        return F.linear(inputs, weights.W, self.bias(weights))

    def projection_table(self, weights: LayerWeights) -> Tensor:
        """The input projection of every id, (I, G·H); the alphabet is small."""
        Wx = weights.W.t()
        if self.config.layer_norm:
            Wx = normalize(Wx, weights.gain_W)
        return Wx + self.bias(weights)

    def bias(self, weights: LayerWeights) -> Tensor:
        """The biases as far as they only add to the sum of W x and U h, (G·H)."""
        return weights.b + weights.c

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        """The weights as `gates` reads them: what is made of them once for all time steps."""
        return weights

    def recurrent_product(self, h: Tensor, weights: LayerWeights, gates: str = "") -> Tensor:
        """U h, (B, G·H).

        With layer normalization (Ba, Kiros, Hinton 2016) both products are brought to mean 0 and
        variance 1 over the gates' units and multiplied by a gain before the bias is added.

        Args:
            gates: of which gates, as `prepare` names their part of U; all by default.
        """
        Uh = F.linear(h, weights[f"U{gates}"])
        return normalize(Uh, weights[f"gain_U{gates}"]) if self.config.layer_norm else Uh

    @abstractmethod
    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        """The gates of one time step, each (B, H), in the order of `gate_names`.

        Args:
            Wx: the input projection of this step, (B, G·H).
            state: of the step before, each (B, H).
            weights: from `prepare`.
        """

    @abstractmethod
    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        """The new state, each (B, H); its first tensor is the layer's output h_t."""

    def step(self, Wx: Tensor, state: State, weights: LayerWeights) -> State:
        """One time step; the arguments are those of `gates`."""
        return self.update(self.gates(Wx, state, weights), state)


def normalize(x: Tensor, gain: Tensor) -> Tensor:
    """Layer normalization without a bias, over the last axis."""
    return F.layer_norm(x, gain.shape, gain)


class Zoneout(Cell):
    """A cell whose units hold their state now and then (Krueger et al. 2017).

    In training each unit of each state keeps its value with probability p, at every step; otherwise
    it moves the share 1 - p of the way, the mean of that.

    Args:
        cell: what makes the new state.
        p: the probability.
        training: draw, instead of taking the mean.
    """

    def __init__(self, cell: Cell, p: float, training: bool) -> None:
        super().__init__(cell.config)
        self.cell, self.p, self.training = cell, p, training

    def input_projection(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        return self.cell.input_projection(inputs, weights)

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        return self.cell.prepare(weights)

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        return self.cell.gates(Wx, state, weights)

    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        pairs = zip(state, self.cell.update(gates, state), strict=True)
        if not self.training:
            return tuple(torch.lerp(new, old, self.p) for old, new in pairs)
        return tuple(torch.where(torch.rand_like(new) < self.p, old, new) for old, new in pairs)
