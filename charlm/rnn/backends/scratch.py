"""The readable backend, the reference for the others: a loop over a cell's step."""

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells import Cell, LayerWeights, LinearCell, State
from charlm.rnn.cells.minimal import scan

LOOKS_UP = True


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer; see `charlm.rnn.backends.backend.Backend`."""
    return F.linear(inputs, weight, bias)


def supports(cell: Cell) -> bool:
    """True: it has every cell in every variant."""
    return True


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`."""
    # Under autocast the products have a narrower type than the state, which keeps its own.
    projection = cell.input_projection(inputs, weights).to(state[0].dtype)
    if isinstance(cell, LinearCell):
        h = scan(*cell.coefficients(cell.input_gates(projection)), state[0])
        return h, (h[-1],)
    outputs, weights = [], cell.prepare(weights)
    for Wx in projection.unbind(0):
        state = cell.step(Wx, state, weights)
        outputs.append(state[0])
    return torch.stack(outputs), state
