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
    """One time step of a recurrence, as an equation.

    Many texts write one bias where torch keeps b and c; only their sum matters, except in the GRU
    that resets after the product.

    Args:
        config: says which form of the cell; its sizes do not matter here.

    Attributes:
        hoists: only W x_t is made of the input, so that it can be looked up in a table.
    """

    name: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]]
    hoists: ClassVar[bool] = True

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or ModelConfig()

    @property
    def form(self) -> str:
        """What sets it apart from the plain cell, as words to follow its name; or nothing."""
        if self.config.zoneout:
            return "with zoneout"
        return "with layer normalization" if self.config.layer_norm else ""

    def weight_shapes(self, I: int, H: int) -> dict[str, Shape]:  # noqa: E741
        """The shapes of a layer's weights, by letter, for an input of size I."""
        return dict(layer_shapes(self.name, self.config, I, H))

    def share(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """What of all steps depends on the input alone: W x_t and the `bias`, (T, B, G·H).

        The product of W with the one-hot vector of an id is a column of W, so ids (T, B) look it
        up. With layer normalization it is normalized (see `recurrent`).

        Args:
            inputs: vectors (T, B, I), or ids (T, B) that stand for one-hot vectors.
        """
        if not inputs.is_floating_point():
            return F.embedding(inputs, self.table(weights))
        if self.config.layer_norm:
            return normalize(F.linear(inputs, weights.W), weights.gain_W) + self.bias(weights)
        return F.linear(inputs, weights.W, self.bias(weights))

    def table(self, weights: LayerWeights) -> Tensor:
        """The shares of all ids, (I, G·H); the alphabet is small."""
        Wx = weights.W.t()
        if self.config.layer_norm:
            Wx = normalize(Wx, weights.gain_W)
        return Wx + self.bias(weights)

    def bias(self, weights: LayerWeights) -> Tensor:
        """The biases as far as they only add to the sum of W x and U h, (G·H)."""
        return weights.b + weights.c

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        """The weights as `step` reads them: what is made of them once for all steps."""
        return weights

    def recurrent(self, h: Tensor, weights: LayerWeights, gates: str = "") -> Tensor:
        """U h, (B, G·H).

        With layer normalization (Ba, Kiros, Hinton 2016) both products are brought to mean 0 and
        variance 1 over the gates' units and multiplied by a gain before the bias is added.

        Args:
            gates: of which gates, as `prepare` names their part of U; all by default.
        """
        Uh = F.linear(h, weights[f"U{gates}"])
        return normalize(Uh, weights[f"gain_U{gates}"]) if self.config.layer_norm else Uh

    @abstractmethod
    def step(self, share: Tensor, state: State, weights: LayerWeights) -> State:
        """One step of time.

        Args:
            share: the input's at this step, (B, G·H).
            state: that of the step before, each (B, H).
            weights: from `prepare`.

        Returns:
            The new state, each (B, H); its first tensor is the layer's output h_t.
        """


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

    def share(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        return self.cell.share(inputs, weights)

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        return self.cell.prepare(weights)

    def step(self, share: Tensor, state: State, weights: LayerWeights) -> State:
        after = self.cell.step(share, state, weights)
        pairs = zip(state, after, strict=True)
        if not self.training:
            return tuple(torch.lerp(new, old, self.p) for old, new in pairs)
        return tuple(torch.where(torch.rand_like(new) < self.p, old, new) for old, new in pairs)
