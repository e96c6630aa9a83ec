"""The gated recurrent unit (Cho et al. 2014; d2l.ai 10.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, State


class GRU(Cell):
    """r = σ(W_r x + b_r + U_r h + c_r)
    z = σ(W_z x + b_z + U_z h + c_z)
    n = tanh(W_n x + b_n + r ⊙ (U_n h + c_n))    reset after the product: torch, cuDNN
    n = tanh(W_n x + b_n + U_n (r ⊙ h) + c_n)    reset before it: Cho 2014, d2l
    h' = (1 - z) ⊙ n + z ⊙ h

    The two forms of n are different functions: weights of one do not serve the other. Some texts
    write z for 1 - z: the same model with the sign of z's weights flipped.
    """

    name = "gru"
    gates = ("r", "z", "n")
    states = ("h",)

    def step(self, Wx: Tensor, state: State, U: Tensor, c: Tensor) -> State:
        (h,) = state
        Wx_r, Wx_z, Wx_n = Wx.chunk(3, dim=-1)
        if self.reset_after:
            Uh_r, Uh_z, Uh_n = F.linear(h, U, c).chunk(3, dim=-1)
            r = torch.sigmoid(Wx_r + Uh_r)
            z = torch.sigmoid(Wx_z + Uh_z)
            n = torch.tanh(Wx_n + r * Uh_n)
        else:
            (U_r, U_z, U_n), (c_r, c_z, c_n) = U.chunk(3), c.chunk(3)
            Uh_r, Uh_z = F.linear(h, U_r, c_r), F.linear(h, U_z, c_z)
            r = torch.sigmoid(Wx_r + Uh_r)
            z = torch.sigmoid(Wx_z + Uh_z)
            n = torch.tanh(Wx_n + F.linear(r * h, U_n, c_n))
        return ((1 - z) * n + z * h,)
