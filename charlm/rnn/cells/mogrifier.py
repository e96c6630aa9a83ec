"""The Mogrifier LSTM (Melis, Kočiský, Blunsom 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells.cell import LayerWeights, State
from charlm.rnn.cells.lstm import LSTM
from charlm.rnn.weights import mogrifier_rounds


class MogrifierLSTM(LSTM):
    """An LSTM whose input and state gate each other before every step, in rounds 1, 2, …

    x ← 2σ(Q h) ⊙ x    in odd rounds
    h ← 2σ(R x) ⊙ h    in even ones

    Each round has its own low-rank matrix: Q = Q_up Q_down or R = R_up R_down.
    """

    name = "mogrifier"
    looks_up_input = False

    @property
    def rounds(self) -> tuple[str, ...]:
        """Names of the rounds' matrices: Q1, R2, Q3, …"""
        return tuple(mogrifier_rounds(self.config))

    def input_projection(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """The input itself as vectors (T, B, I), since gating comes before the product with W."""
        if inputs.is_floating_point():
            return inputs
        return F.one_hot(inputs, weights.W.shape[1]).to(weights.W.dtype)

    def gates(self, Wx: Tensor, state: State, weights: LayerWeights) -> tuple[Tensor, ...]:
        x, (h, C) = Wx, state
        for name in self.rounds:
            if name.startswith("Q"):
                x = 2 * torch.sigmoid(gate(h, weights, name)) * x
            else:
                h = 2 * torch.sigmoid(gate(x, weights, name)) * h
        return super().gates(super().input_projection(x, weights), (h, C), weights)


def gate(x: Tensor, weights: LayerWeights, name: str) -> Tensor:
    """The product of the low-rank matrix called `name` with x."""
    return F.linear(F.linear(x, weights[f"{name}_down"]), weights[f"{name}_up"])
