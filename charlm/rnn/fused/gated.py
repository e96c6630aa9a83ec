"""The rnn, the gru and the lstm over a window."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm.rnn.cells import Cell, LayerWeights, State
from charlm.rnn.fused.machine import (
    Lease,
    compiled,
    history,
    kept_type,
    multiplier,
    parts_of,
    product_type,
    sweep,
    sweeps,
)

# Of what a step keeps for the backward pass, in units of H.
KEPT = {"rnn": 0, "gru": 4, "lstm": 4}


def run_gated(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    U = weights.U
    if inputs.is_floating_point():
        table, ids = cell.share(inputs, weights).flatten(0, 1), torch.empty(0, 0, dtype=torch.long)
    else:
        table, ids = cell.table(weights), inputs
    none = U[:0, 0]
    c_n = cell.prepare(weights).get("c_n", none)
    gain = weights.gain_U if cell.config.layer_norm else none
    layer: Any = FusedLayer  # torch types apply as taking and giving anything
    outputs, *last = layer.apply(
        cell.name,
        product_type(U),
        ids,
        table.to(kept_type(table.dtype, state[0])),
        c_n,
        gain,
        U,
        *state,
    )
    return outputs, tuple(last)


class FusedLayer(torch.autograd.Function):
    """A layer over a window, given the input's share of every step as the rows of a table."""

    @staticmethod
    def forward(
        ctx: Any,
        name: str,
        dtype: torch.dtype,
        ids: Tensor,
        table: Tensor,
        c_n: Tensor,
        gain: Tensor,
        U: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Outputs (T, B, H) and the last state, each (B, H).

        Args:
            name: the cell's.
            dtype: to multiply in.
            ids: of the table's rows, (T, B), or (0, 0): each position has one of its own, in order.
            table: (V or T·B, G·H).
            c_n: the gru's bias inside of the reset, (H); empty for other cells.
            gain: of the products' layer normalization, (G·H); empty for none.
            U: (G·H, H).
            state: each (B, H).
        """
        B, H = state[0].shape
        T = len(ids) or len(table) // B
        # The first one is the layer's outputs, which others may keep.
        h = state[0].new_empty(T + 1, B, H)
        h[0] = state[0]
        memory = [history(first, T) for first in state[1:]]
        rows = Lease(h, dtype)
        rows.tensor[0] = h[0]
        kept = Lease(h, kept_type(dtype, h), T, B, KEPT[name] * H)
        parts = parts_of(h[0])
        C = [each.tensor for each in memory]
        about = (table.contiguous(), ids, c_n, h, rows.tensor, kept.tensor, *C)
        norm = Normalization(gain, T, B, parts) if len(gain) else None
        if sweeps(U, rows.tensor, parts) and not norm:
            sweep(f"{name}_forward", rows.tensor, U.t(), *about, parts=parts)
        else:
            step = compiled(f"{name}_forward", *about, parts=parts)
            multiply = multiplier(U.to(dtype), B)
            for t, before in enumerate(rows.tensor[:-1].unbind(0)):
                product = multiply(before)
                step(t, norm(t, product) if norm else product)
        ctx.name, ctx.memory, ctx.kept, ctx.rows, ctx.norm = name, memory, kept, rows, norm
        ctx.parts, ctx.shares = parts, (len(table), table.dtype)
        ctx.save_for_backward(ids, U, h)
        return h[1:], *(each[-1].clone() for each in (h, *C))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        ids, U, h = ctx.saved_tensors
        (T, B, H), parts, (V, dtype) = upper.shape, ctx.parts, ctx.shares
        rows, kept = ctx.rows.tensor, ctx.kept.tensor
        dh, *dC = [each.clone() for each in last]
        # A position's share and the product that it is added to have one gradient; but the gru's
        # reset gate, and normalization, stand between them.
        same = not (len(ids) or ctx.norm or ctx.name == "gru")
        lease = None if same else Lease(rows, rows.dtype, T, B, len(U))
        sums = lease.tensor if lease else rows.new_empty(T, B, len(U))
        if len(ids):
            # Two parts may look up the same row: each has a table, unless that is too much to add.
            tables = parts = parts if parts * V <= T * B else 1
            d_table = h.new_zeros(tables, V, len(U))
        else:
            d_table = h.new_empty(int(not same), V, len(U))
        C = [each.tensor for each in ctx.memory]
        about = (ids, upper.contiguous(), h, kept, dh, sums, d_table, *C, *dC)
        denormalize, d_gain, d_bias = ctx.norm.backward() if ctx.norm else (None, None, None)
        if sweeps(U, rows, parts) and not denormalize:
            product = sweep(f"{ctx.name}_backward", sums, U, *about, parts=parts)
        else:
            step = compiled(f"{ctx.name}_backward", *about, parts=parts)
            multiply, product = multiplier(U.t().to(rows.dtype), B), rows.new_zeros(B, H)
            for t, d in reversed(list(enumerate(sums.unbind(0)))):
                step(t, product)
                if denormalize:
                    denormalize(t, d)
                product = multiply(d)
        dh += product
        d_U = (sums.flatten(0, 1).t() @ rows[:-1].flatten(0, 1)).to(U.dtype)
        d_c = None
        if ctx.name == "gru":
            d_q = sums[..., 2 * H :].sum((0, 1), dtype=U.dtype)
            d_c = d_q if d_bias is None else d_bias.sum(0)[2 * H :]
        d_gain = None if d_gain is None else d_gain.sum(0)
        if same:
            d_shares = sums.flatten(0, 1)
        else:
            d_shares = d_table.sum(0) if len(d_table) > 1 else d_table[0]
        return None, None, None, d_shares.to(dtype), d_c, d_gain, d_U, dh, *dC


class Normalization:
    """Layer normalization of each step's product, and its way back; see `Cell.recurrent`.

    Args:
        gain: (N).
        parts: of the rows of a step.
    """

    def __init__(self, gain: Tensor, T: int, B: int, parts: int) -> None:
        N, self.parts = len(gain), parts
        self.about = gain.detach(), gain.new_empty(T, B, N), gain.new_empty(T, B)
        self.result = gain.new_empty(B, N)
        self.normalize = compiled("normalize", *self.about, self.result, parts=parts)

    def __call__(self, t: int, product: Tensor) -> Tensor:
        """Step t's product normalized, (B, N); the last result is lost."""
        self.normalize(t, product)
        return self.result

    def backward(self) -> tuple[Callable[[int, Tensor], None], Tensor, Tensor]:
        """What turns the gradient of step t's result, (B, N), into its product's, in place.

        The tensors, (parts, N), are summands of the gradients of the gain and of what is added
        after it, complete when the function was called for every step.
        """
        d_gain, d_bias = self.about[0].new_zeros(2, self.parts, len(self.about[0]))
        denormalize = compiled("denormalize", *self.about, d_gain, d_bias, parts=self.parts)
        return denormalize, d_gain, d_bias
