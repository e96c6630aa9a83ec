"""The gated recurrent unit (Cho et al. 2014; d2l.ai 10.2)."""

import torch
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State


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

    @property
    def form(self) -> str:
        before = "that resets before the product (--no-reset-after)"
        return super().form if self.config.reset_after else before

    def step(self, share: Tensor, state: State, weights: LayerWeights) -> State:
        (h,) = state
        H = h.shape[1]
        Wx_rz, Wx_n = share.split_with_sizes((2 * H, H), dim=1)
        if self.config.reset_after:
            Uh_rz, Uh_n = self.recurrent(h, weights).split_with_sizes((2 * H, H), dim=1)
            r, z = torch.sigmoid(Wx_rz + Uh_rz).chunk(2, dim=1)
            n = torch.tanh(torch.addcmul(Wx_n, r, Uh_n))
        else:
            rz, n_ = parts(weights, 2 * H)
            r, z = torch.sigmoid(Wx_rz + self.recurrent(h, rz)).chunk(2, dim=1)
            n = torch.tanh(Wx_n + self.recurrent(r * h, n_))
        return (torch.lerp(n, h, z),)


def parts(weights: LayerWeights, rows: int) -> tuple[LayerWeights, LayerWeights]:
    """The weights of the gates that have the first rows, and of the others."""
    return (
        LayerWeights({name: each[:rows] for name, each in weights.items()}),
        LayerWeights({name: each[rows:] for name, each in weights.items()}),
    )
