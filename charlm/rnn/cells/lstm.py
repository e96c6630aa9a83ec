"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000; d2l.ai 10.1)."""

import torch
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


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
    gates = GATES[name]
    states = ("h", "C")

    def step(self, share: Tensor, state: State, weights: LayerWeights) -> State:
        h, C = state
        H = h.shape[1]
        i_f, g, o = (share + self.recurrent(h, weights)).split_with_sizes((2 * H, H, H), dim=1)
        i, f = torch.sigmoid(i_f).chunk(2, dim=1)
        C = f * C + i * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(C), C
