"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000; d2l.ai 10.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, State


class LSTM(Cell):
    """i = σ(W_i x + b_i + U_i h + c_i)
    f = σ(W_f x + b_f + U_f h + c_f)
    g = tanh(W_g x + b_g + U_g h + c_g)
    o = σ(W_o x + b_o + U_o h + c_o)
    C' = f ⊙ C + i ⊙ g
    h' = o ⊙ tanh(C')

    The memory is C here, since c is the recurrent bias; d2l writes C too.
    """

    name = "lstm"
    gates = ("i", "f", "g", "o")
    states = ("h", "C")

    def step(self, Wx: Tensor, state: State, U: Tensor, c: Tensor) -> State:
        h, C = state
        i, f, g, o = (Wx + F.linear(h, U, c)).chunk(4, dim=-1)
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(C), C
