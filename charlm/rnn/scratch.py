"""The readable backend, and the specification of the others: a loop over a cell's step."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells import Cell, State
from charlm.rnn.layer import LayerWeights

LOOKS_UP = True


def supports(cell: Cell) -> bool:
    """It has every cell, in every form."""
    return True


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    # Under autocast products come in a narrow type; the state keeps its own.
    Wx = project(inputs, weights.W, weights.b).to(state[0].dtype)
    outputs = []
    for Wx_t in Wx.unbind(0):
        state = cell.step(Wx_t, state, weights.U, weights.c)
        outputs.append(state[0])
    return torch.stack(outputs), state


def project(inputs: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """W x_t + b for all steps at once, (T, B, G·H): nothing in it depends on the recurrence.

    The product of W with the one-hot vector of an id is a column of W, so ids (T, B) look it up.
    """
    if inputs.is_floating_point():
        return F.linear(inputs, W, b)
    return F.embedding(inputs, W.t()) + b
