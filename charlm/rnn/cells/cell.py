"""The base class of recurrent cells, their weights and state, and zoneout."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.config import ModelConfig
from charlm.rnn.dropout import own_rows, whole_shape
from charlm.rnn.weights import Shape, layer_shapes

# The recurrent state: (h,) for most cells, (h, C) for the lstm and the Mogrifier.
State = tuple[Tensor, ...]


class LayerWeights(dict[str, Tensor]):
    """One layer's weights by their letters in the equations, also readable as attributes.

    W (G·H, I), U (G·H, H), b (G·H,) and c (G·H,) are torch's weight_ih, weight_hh, bias_ih and
    bias_hh. Their rows are the cell's G gates, in the order of `Cell.gate_names`. A cell may lack
    some of these weights and have others.
    """

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Cell(ABC):
    """One time step of a recurrence: its gates and the new state.

    Like torch, cells have two biases, b and c, where many texts write one. Only their sum matters,
    except in the GRU that resets after the product.

    Args:
        config: selects the variant of the cell; the equations do not depend on its sizes.

    Attributes:
        name: the cell's name in the configuration.
        gate_names: in the order of the rows of W and U.
        state_names: one for each tensor of the state, of which the first is the layer's output.
        looks_up_input: whether the input enters only as W x_t, which for ids is a table look-up.
    """

    name: ClassVar[str]
    gate_names: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    looks_up_input: ClassVar[bool] = True

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or ModelConfig()

    @property
    def variant(self) -> str:
        """How it differs from the plain cell, in words to follow its name; empty if it does not."""
        if self.config.zoneout:
            return "with zoneout"
        return "with layer normalization" if self.config.layer_norm else ""

    def weight_shapes(self, I: int, H: int) -> dict[str, Shape]:  # noqa: E741
        """Shapes of a layer's weights by letter, for input size I and hidden size H."""
        return dict(layer_shapes(self.name, self.config, I, H))

    def input_projection(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """W x_t + `bias` for all time steps at once, (T, B, G·H).

        The product of W with a one-hot vector is a column of W, so for ids it is looked up. With
        layer normalization, W x_t is normalized first (see `recurrent_product`).

        Args:
            inputs: vectors (T, B, I), or ids (T, B) that stand for one-hot vectors.
            weights: the layer's weights.
        """
        if not inputs.is_floating_point():
            return F.embedding(inputs, self.projection_table(weights))
        if self.config.layer_norm:
            return normalize(F.linear(inputs, weights.W), weights.gain_W) + self.bias(weights)
        return F.linear(inputs, weights.W, self.bias(weights))

    def projection_table(self, weights: LayerWeights) -> Tensor:
        """The input projection of every id, (I, G·H): cheap, since vocabularies are small."""
        Wx = weights.W.t()
        if self.config.layer_norm:
            Wx = normalize(Wx, weights.gain_W)
        return Wx + self.bias(weights)

    def bias(self, weights: LayerWeights) -> Tensor:
        """The sum of the biases, (G·H,), without any that a gate multiplies."""
        return weights.b + weights.c

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        """The weights in the form that `gates` reads, computed once for all time steps."""
        return weights

    def recurrent_product(self, h: Tensor, weights: LayerWeights, gates: str = "") -> Tensor:
        """U h, (B, G·H), or the part of it that belongs to some gates.

        With layer normalization (Ba, Kiros, Hinton 2016) W x and U h are each brought to mean 0 and
        variance 1 over the units of all gates, and multiplied by a gain, before the bias is added.

        Args:
            h: (B, H).
            weights: from `prepare`.
            gates: suffix of the part of U, as named by `prepare`; all of U by default.
        """
        Uh = F.linear(h, weights[f"U{gates}"])
        return normalize(Uh, weights[f"gain_U{gates}"]) if self.config.layer_norm else Uh

    @abstractmethod
    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        """The gates of one time step, each (B, H), in the order of `gate_names`.

        Args:
            Wx: the input projection of this step, (B, G·H).
            state: the previous state, tensors (B, H).
            weights: from `prepare`.
        """

    @abstractmethod
    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        """The new state, tensors (B, H), of which the first is the layer's output h_t."""

    def step(self, Wx: Tensor, state: State, weights: LayerWeights) -> State:
        """The state after one time step; takes the same arguments as `gates`."""
        return self.update(self.gates(Wx, state, weights), state)


def normalize(x: Tensor, gain: Tensor) -> Tensor:
    """Layer normalization without a bias, over the last axis."""
    return F.layer_norm(x, gain.shape, gain)


class Zoneout(Cell):
    """A cell whose units randomly keep their previous state (Krueger et al. 2017).

    In training, each unit keeps its value with probability p, drawn anew at every step. Otherwise
    the new state is the expected value: p times the old one plus 1 - p times the cell's.

    Args:
        cell: computes the new state.
        p: the probability of keeping a value.
        training: whether to draw at random instead of taking the expected value.
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
        return tuple(torch.where(self._keeps(new), old, new) for old, new in pairs)

    def _keeps(self, new: Tensor) -> Tensor:
        """Which units keep their value, (B, H)."""
        shape = whole_shape(new.shape, 0)
        return own_rows(torch.rand(shape, dtype=new.dtype, device=new.device), 0) < self.p
