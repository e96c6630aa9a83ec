"""minGRU and minLSTM, whose gates do not read the state (Feng et al. 2024).

"Were RNNs all we needed?" A step h' = a ⊙ h + v, with a and v computed from the input alone, is
linear in the state. Linear steps compose, so all steps of a window can run in parallel.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


class LinearCell(Cell):
    """A cell of the form h' = a ⊙ h + v. Its weights are W and b; there is no U and no c."""

    state_names = ("h",)

    def bias(self, weights: LayerWeights) -> Tensor:
        return weights.b

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        return self.input_gates(Wx)

    def update(self, gates: tuple[Tensor, ...], state: State) -> State:
        a, v = self.coefficients(gates)
        return (a * state[0] + v,)

    @abstractmethod
    def input_gates(self, Wx: Tensor) -> tuple[Tensor, ...]:
        """The gates, each (…, H), from input projections (…, G·H)."""

    @abstractmethod
    def coefficients(self, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """a and v, each (…, H), from the gates."""


class MinGRU(LinearCell):
    """h' = (1 - z) ⊙ h + z ⊙ n with z = σ(W_z x + b_z), n = W_n x + b_n"""

    name = "mingru"
    gate_names = GATES[name]

    def input_gates(self, Wx: Tensor) -> tuple[Tensor, ...]:
        z, n = Wx.chunk(2, dim=-1)
        return torch.sigmoid(z), n

    def coefficients(self, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        z, n = gates
        return 1 - z, z * n


class MinLSTM(LinearCell):
    """h' = f ⊙ h + i ⊙ n with n = W_n x + b_n

    i and f are σ(W_i x + b_i) and σ(W_f x + b_f), each divided by the sum of the two.
    """

    name = "minlstm"
    gate_names = GATES[name]

    def input_gates(self, Wx: Tensor) -> tuple[Tensor, ...]:
        i, f, n = Wx.chunk(3, dim=-1)
        # In log space, since both sigmoids may underflow to zero.
        share = torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))
        return 1 - share, share, n

    def coefficients(self, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        i, f, n = gates
        return f, i * n


def scan(a: Tensor, v: Tensor, h: Tensor) -> Tensor:
    """All h_t = a_t ⊙ h_{t-1} + v_t, (T, B, H), in log₂ T passes (Hillis & Steele 1986).

    Entry t of a and v is one linear step, composed of all steps in a span that ends at t. Each pass
    doubles the spans. The minGRU paper's scan works on logarithms instead, which needs positive
    states; here values stay in the range of the states themselves.

    Args:
        a, v: (T, B, H).
        h: the state before the first step, (B, H).
    """
    v = torch.cat([torch.addcmul(v[:1], a[:1], h), v[1:]])
    steps = 1
    while steps < len(a):
        v = torch.cat([v[:steps], torch.addcmul(v[steps:], a[steps:], v[:-steps])])
        a = torch.cat([a[:steps], a[steps:] * a[:-steps]])
        steps *= 2
    return v
