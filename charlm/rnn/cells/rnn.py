"""The simple recurrent network (Elman 1990; d2l.ai 9.5)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, State


class RNN(Cell):
    """h' = tanh(W x + b + U h + c)"""

    name = "rnn"
    gates = ("h",)
    states = ("h",)

    def step(self, Wx: Tensor, state: State, U: Tensor, c: Tensor) -> State:
        (h,) = state
        return (torch.tanh(Wx + F.linear(h, U, c)),)
