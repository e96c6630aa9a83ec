"""The Mogrifier LSTM over a window.

Its input is gated by the state, so that nothing of a step can be hoisted but the weights'
gradients: a round is two products of low rank, and then [W U] meets the gated x and h side by side.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm.rnn.cells import LayerWeights, MogrifierLSTM, State
from charlm.rnn.fused.gated import KEPT
from charlm.rnn.fused.machine import (
    Lease,
    compiled,
    history,
    kept_type,
    multiplier,
    parts_of,
    product_type,
)


def run_mogrifier(
    cell: MogrifierLSTM, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    inputs = cell.share(inputs, weights).to(state[0].dtype)
    matrices = [weights[f"{name}_{side}"] for name in cell.rounds for side in ("up", "down")]
    W_U = torch.cat([weights.W, weights.U], dim=1)
    layer: Any = FusedMogrifier  # torch types apply as taking and giving anything
    outputs, *last = layer.apply(
        product_type(weights.U), inputs, cell.bias(weights), W_U, *state, *matrices
    )
    return outputs, tuple(last)


class FusedMogrifier(torch.autograd.Function):
    """A layer over a window."""

    @staticmethod
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        inputs: Tensor,
        bias: Tensor,
        W_U: Tensor,
        first_h: Tensor,
        first_C: Tensor,
        *matrices: Tensor,
    ) -> tuple[Tensor, ...]:
        """Outputs (T, B, H) and the last state, each (B, H).

        Args:
            dtype: to multiply in.
            inputs: (T, B, I).
            bias: (4H).
            W_U: (4H, I + H).
            first_h, first_C: the state, each (B, H).
            matrices: of each round, up (N, R) and down (R, K).
        """
        (T, B, I), H = inputs.shape, first_h.shape[1]  # noqa: E741
        h, memory = first_h.new_empty(T + 1, B, H), history(first_C, T)
        h[0], C = first_h, memory.tensor
        rows = Lease(h, dtype)
        rows.tensor[0] = first_h
        # Odd rounds gate x by h, even ones h by x.
        gated, gating, rounds = inputs.to(dtype), rows.tensor[:-1], []
        for up, down in zip(matrices[::2], matrices[1::2], strict=True):
            rounds.append(Round(up.to(dtype), down.to(dtype), gated, gating))
            gated, gating = gating, rounds[-1].after.tensor
        x, gated_h = (gating, gated) if len(rounds) % 2 else (gated, gating)
        both = Lease(h, dtype, T, B, I + H)
        kept = Lease(h, kept_type(dtype, h), T, B, KEPT["lstm"] * H)
        # The biases are all that is known before the loop: a table of one row.
        ids = torch.zeros(T, B, dtype=torch.int64, device=h.device)
        step = compiled(
            "lstm_forward",
            bias[None],
            ids,
            bias[:0],
            h,
            rows.tensor,
            kept.tensor,
            C,
            parts=parts_of(first_h),
        )
        multiply = multiplier(W_U.to(dtype), B)
        for t, row in enumerate(both.tensor.unbind(0)):
            for each in rounds:
                each.forward(t)
            torch.cat([x[t], gated_h[t]], dim=1, out=row)
            step(t, multiply(row))
        ctx.rounds, ctx.leases = rounds, (rows, both, kept, memory)
        ctx.save_for_backward(ids, inputs, W_U, h)
        return h[1:], h[-1].clone(), C[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, upper: Tensor, last_h: Tensor, last_C: Tensor
    ) -> tuple[Tensor | None, ...]:
        ids, inputs, W_U, h = ctx.saved_tensors
        _, both, kept, memory = ctx.leases
        (T, B, I), H = inputs.shape, last_h.shape[1]  # noqa: E741
        dh, dC = last_h.clone(), last_C.clone()
        lease = Lease(both.tensor, both.tensor.dtype, T, B, 4 * H)
        sums, parts, d_inputs = lease.tensor, parts_of(dh), torch.empty_like(inputs)
        d_bias = h.new_zeros(parts, 1, 4 * H)
        step = compiled(
            "lstm_backward",
            ids,
            upper.contiguous(),
            h,
            kept.tensor,
            dh,
            sums,
            d_bias,
            memory.tensor,
            dC,
            parts=parts,
        )
        multiply = multiplier(W_U.t().to(sums.dtype), B)
        d_x, d_h = h.new_empty(B, I), h.new_zeros(B, H)
        for each in ctx.rounds:
            each.prepare()
        for t, d in reversed(list(enumerate(sums.unbind(0)))):
            step(t, d_h)
            d_both = multiply(d)
            d_x.copy_(d_both[:, :I])
            d_h.copy_(d_both[:, I:])
            for number, each in reversed(list(enumerate(ctx.rounds, start=1))):
                each.backward(t, *((d_x, d_h) if number % 2 else (d_h, d_x)))
            d_inputs[t] = d_x
        dh += d_h
        d_W_U = (sums.flatten(0, 1).t() @ both.tensor.flatten(0, 1)).to(W_U.dtype)
        d_matrices = [d.to(W_U.dtype) for each in ctx.rounds for d in each.gradients()]
        return None, d_inputs, d_bias.sum((0, 1)), d_W_U, dh, dC, *d_matrices


class Round:
    """y ← 2σ(Up Down x) ⊙ y at every step, and its way back.

    Everything that products read is kept in their type.

    Args:
        up: (N, R).
        down: (R, K).
        gated: y before the round, (T, B, N).
        gating: x, (T or more, B, K); steps are written to both as the loop reaches them.

    Attributes:
        after: y after the round, (T, B, N).
    """

    def __init__(self, up: Tensor, down: Tensor, gated: Tensor, gating: Tensor) -> None:
        self.up, self.down, self.gated, self.gating = up, down, gated, gating
        shape = gated.shape
        self.gate, self.after = Lease(gated, up.dtype, *shape), Lease(gated, up.dtype, *shape)
        self.low = gated.new_empty(*shape[:2], len(down))
        self.step = compiled(
            "mogrify", gated, self.gate.tensor, self.after.tensor, parts=parts_of(gated[0])
        )

    def forward(self, t: int) -> None:
        torch.mm(self.gating[t], self.down.t(), out=self.low[t])
        self.step(t, torch.mm(self.low[t], self.up.t()))

    def prepare(self) -> None:
        """Begin the way back."""
        self.d_sum = Lease(self.gated, self.up.dtype, *self.gated.shape)
        self.d_low = torch.empty_like(self.low)
        self.step_back = compiled(
            "demogrify",
            self.gated,
            self.gate.tensor,
            self.d_sum.tensor,
            parts=parts_of(self.gated[0]),
        )

    def backward(self, t: int, d_gated: Tensor, d_gating: Tensor) -> None:
        """Turn the gradient of y after step t's round, (B, N), into that of y before; add x's."""
        self.step_back(t, d_gated)
        torch.mm(self.d_sum.tensor[t], self.up, out=self.d_low[t])
        d_gating += torch.mm(self.d_low[t], self.down)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Those of up and down, when the way back is done."""
        steps = slice(len(self.low))
        d_up = self.d_sum.tensor.flatten(0, 1).t() @ self.low.flatten(0, 1)
        return d_up, self.d_low.flatten(0, 1).t() @ self.gating[steps].flatten(0, 1)
