"""Linear recurrences over a window."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm.rnn.cells import LayerWeights, LinearCell, State
from charlm.rnn.fused.machine import compiled, parts_of


def run_linear(
    cell: LinearCell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window: h_t = a_t ⊙ h_{t-1} + v_t, one after another.

    See `charlm.rnn.layer.Backend`, and for a and v `charlm.rnn.cells.minimal`.
    """
    a, v = cell.coefficients(cell.share(inputs, weights).to(state[0].dtype))
    function: Any = LinearRecurrence  # torch types apply as taking and giving anything
    outputs = function.apply(a.contiguous(), v.contiguous(), state[0])
    return outputs, (outputs[-1],)


class LinearRecurrence(torch.autograd.Function):
    """All states of a linear recurrence, (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, v: Tensor, first: Tensor) -> Tensor:
        h = torch.cat([first.unsqueeze(0), v])
        compiled("linear_forward", a, h, parts=parts_of(first))()
        ctx.save_for_backward(a, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor) -> tuple[Tensor, ...]:
        a, h = ctx.saved_tensors
        d_h = torch.cat([torch.zeros_like(h[:1]), upper])
        compiled("linear_backward", a, d_h, parts=parts_of(d_h[0]))()
        return d_h[1:] * h[:-1], d_h[1:], d_h[0]
