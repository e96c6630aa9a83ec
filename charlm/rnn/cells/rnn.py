"""The simple recurrent network (Elman 1990; d2l.ai 9.5)."""

import torch
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


class RNN(Cell):
    """h' = tanh(W x + b + U h + c)"""

    name = "rnn"
    gates = GATES[name]
    states = ("h",)

    def step(self, share: Tensor, state: State, weights: LayerWeights) -> State:
        (h,) = state
        return (torch.tanh(share + self.recurrent(h, weights)),)
