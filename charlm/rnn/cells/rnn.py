"""The simple recurrent network (Elman 1990; d2l.ai 9.5)."""

import torch
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


class RNN(Cell):
    """h' = tanh(W x + b + U h + c)"""

    name = "rnn"
    gate_names = GATES[name]
    state_names = ("h",)

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        (h,) = state
        return (torch.tanh(Wx + self.recurrent_product(h, weights)),)

    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        return gates
