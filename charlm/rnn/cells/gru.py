"""The gated recurrent unit (Cho et al. 2014; d2l.ai 10.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


class GRU(Cell):
    """r = σ(W_r x + b_r + U_r h + c_r)
    z = σ(W_z x + b_z + U_z h + c_z)
    n = tanh(W_n x + b_n + r ⊙ (U_n h + c_n))    reset after the product: torch, cuDNN
    n = tanh(W_n x + b_n + U_n (r ⊙ h) + c_n)    reset before it: Cho 2014, d2l
    h' = (1 - z) ⊙ n + z ⊙ h

    The two forms of n are different functions, so weights trained for one do not fit the other.
    Some texts exchange z and 1 - z: the same model with the signs of z's weights flipped.
    """

    name = "gru"
    gate_names = GATES[name]
    state_names = ("h",)

    @property
    def variant(self) -> str:
        before = "that resets before the product (--no-reset-after)"
        return super().variant if self.config.reset_after else before

    def bias(self, weights: LayerWeights) -> Tensor:
        if not self.config.reset_after:
            return super().bias(weights)
        # Without c_n: the reset gate multiplies it, so it is added in `gates`.
        H = len(weights.c) // 3
        return weights.b + F.pad(weights.c[: 2 * H], (0, H))

    def prepare(self, weights: LayerWeights) -> LayerWeights:
        H = weights.U.shape[1]
        if self.config.reset_after:
            return LayerWeights(weights | {"c_n": weights.c[2 * H :]})
        parts = {"rz": slice(2 * H), "n": slice(2 * H, None)}
        names = [name for name in ("U", "gain_U") if name in weights]
        return LayerWeights(
            {
                f"{name}_{gates}": weights[name][part]
                for name in names
                for gates, part in parts.items()
            }
        )

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        (h,) = state
        H = h.shape[1]
        Wx_rz, Wx_n = Wx.split_with_sizes((2 * H, H), dim=1)
        if self.config.reset_after:
            Uh = self.recurrent_product(h, weights)
            Uh_rz, Uh_n = Uh.split_with_sizes((2 * H, H), dim=1)
            r, z = torch.sigmoid(Wx_rz + Uh_rz).chunk(2, dim=1)
            return r, z, torch.tanh(Wx_n + r * (Uh_n + weights.c_n))
        r, z = torch.sigmoid(Wx_rz + self.recurrent_product(h, weights, "_rz")).chunk(2, dim=1)
        return r, z, torch.tanh(Wx_n + self.recurrent_product(r * h, weights, "_n"))

    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        _, z, n = gates
        return (torch.lerp(n, state[0], z),)
