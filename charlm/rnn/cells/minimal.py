"""Cells whose gates do not look at the state, so that all steps can be made at once.

minGRU and minLSTM (Feng et al. 2024, "Were RNNs all we needed?"). A step is linear in the state,
h' = a ⊙ h + v with a and v from the input alone, and linear steps compose.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import Cell, LayerWeights, State
from charlm.rnn.weights import GATES


class LinearCell(Cell):
    """A cell of the form h' = a ⊙ h + v. It has W and b, and nothing recurrent but a."""

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
        """The gates, each (…, H), of input projections (…, G·H)."""

    @abstractmethod
    def coefficients(self, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """a and v, each (…, H)."""


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
    """h' = f ⊙ h + i ⊙ n with i + f = 1

    i, f and n are W_i x + b_i, …, and the first two σ of it, divided by their sum.
    """

    name = "minlstm"
    gate_names = GATES[name]

    def input_gates(self, Wx: Tensor) -> tuple[Tensor, ...]:
        i, f, n = Wx.chunk(3, dim=-1)
        # By logarithms: both gates may be so far shut that they are zero.
        share = torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))
        return 1 - share, share, n

    def coefficients(self, gates: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        i, f, n = gates
        return f, i * n


def scan(a: Tensor, v: Tensor, h: Tensor) -> Tensor:
    """All h_t = a_t ⊙ h_{t-1} + v_t in log₂ T passes over the window (Hillis & Steele 1986).

    After each pass entry t stands for twice as many steps that end at t: the later half's a and v
    applied to the earlier half's. Everything stays in the range of the states themselves, where the
    paper's scan takes logarithms and asks for positive states.

    Args:
        a, v: (T, B, H).
        h: the state before, (B, H).
    """
    v = torch.cat([torch.addcmul(v[:1], a[:1], h), v[1:]])
    steps = 1
    while steps < len(a):
        v = torch.cat([v[:steps], torch.addcmul(v[steps:], a[steps:], v[:-steps])])
        a = torch.cat([a[:steps], a[steps:] * a[:-steps]])
        steps *= 2
    return v
