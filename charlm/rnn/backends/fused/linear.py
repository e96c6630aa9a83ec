"""The mingru and minlstm layers over a window, as one autograd function."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm import kernels
from charlm.rnn.backends.fused.buffers import array_of
from charlm.rnn.backends.fused.policy import parts_of
from charlm.rnn.cells import LayerWeights, LinearCell, State


def run_linear(
    cell: LinearCell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window, step by step: h_t = a_t ⊙ h_{t-1} + v_t.

    See `charlm.rnn.backends.backend.Backend`, and `charlm.rnn.cells.minimal` for a and v.
    """
    projection = cell.input_projection(inputs, weights).to(state[0].dtype)
    a, v = cell.coefficients(cell.input_gates(projection))
    function: Any = LinearRecurrence  # `apply` has no useful types in torch
    outputs = function.apply(a.contiguous(), v.contiguous(), state[0])
    return outputs, (outputs[-1],)


class LinearRecurrence(torch.autograd.Function):
    """All states h_t = a_t ⊙ h_{t-1} + v_t of a window, (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, v: Tensor, first: Tensor) -> Tensor:
        h = torch.cat([first.unsqueeze(0), v])
        run("linear_forward", a, h)
        ctx.save_for_backward(a, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor, ...]:
        a, h = ctx.saved_tensors
        d_h = torch.cat([torch.zeros_like(h[:1]), grad_outputs])
        run("linear_backward", a, d_h)
        return d_h[1:] * h[:-1], d_h[1:], d_h[0]


def run(function: str, a: Tensor, h: Tensor) -> None:
    """Call a function of `charlm/kernels/linear.py`, which changes h (T + 1, B, H) in place."""
    kernels.run_linear(function, array_of(a), array_of(h), torch.get_num_threads(), parts_of(h[0]))
