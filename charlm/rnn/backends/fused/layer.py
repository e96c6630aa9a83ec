"""The rnn, gru and lstm layers over a window, as one autograd function."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm import kernels
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.buffers import PooledBuffer, array_of
from charlm.rnn.backends.fused.products import linear, multiplier, multiply_transposed
from charlm.rnn.cells import Cell, LayerWeights, State

# Values that a step saves for the backward pass, in units of H.
SAVED = {"rnn": 0, "gru": 4, "lstm": 4}


def run_gated(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`."""
    U = weights.U
    dtype = policy.matmul_dtype()
    if inputs.is_floating_point():
        if dtype == torch.float32:
            table = linear(inputs, weights.W, cell.bias(weights)).flatten(0, 1)
        else:
            table = cell.input_projection(inputs, weights).flatten(0, 1)
        ids = torch.empty(0, 0, dtype=torch.long)
    else:
        table, ids = cell.projection_table(weights), inputs
    c_n = cell.prepare(weights).get("c_n", U[:0, 0])
    layer: Any = FusedLayer  # `apply` has no useful types in torch
    capped = (cell.config.capped_gate,) if cell.name == "lstm" else ()
    outputs, *last = layer.apply(cell.name, capped, dtype, ids, table, c_n, U, *state)
    return outputs, tuple(last)


class Saved(NamedTuple):
    """What the backward pass needs beside the tensors that autograd saves.

    Attributes:
        C: the lstm's memory before and after every step, (T + 1, B, H); empty for other cells.
        gates: values saved by each step, (T, B, S·H) with S from `SAVED`.
        h_bfloat16: the outputs in bfloat16, (T + 1, B, H), if products are computed in it.
    """

    C: tuple[PooledBuffer, ...]
    gates: PooledBuffer
    h_bfloat16: PooledBuffer | None

    def h_matmul(self, h: Tensor) -> Tensor:
        """The outputs in the type in which products are computed."""
        return self.h_bfloat16.tensor if self.h_bfloat16 else h


class FusedLayer(torch.autograd.Function):
    """A layer over a window, given W x + b of every step as the rows of a table."""

    @staticmethod
    def forward(
        ctx: Any,
        name: str,
        capped: tuple[bool, ...],
        dtype: torch.dtype,
        ids: Tensor,
        table: Tensor,
        c_n: Tensor,
        U: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Outputs (T, B, H) and the last state, tensors (B, H).

        Args:
            name: the cell's name.
            capped: whether the lstm's input gate is at most 1 - f; empty for other cells.
            dtype: the type in which to multiply.
            ids: table rows, (T, B); or (0, 0) if each position has its own row, in order.
            table: W x + b, (V, G·H) by id or (T·B, G·H) by position.
            c_n: the bias that the gru's reset gate multiplies, (H,); empty for other cells.
            U: (G·H, H).
            state: tensors (B, H).
        """
        B, H = state[0].shape
        T = len(ids) or len(table) // B
        # Not a pooled buffer: these are the layer's outputs, which the caller may keep.
        h = state[0].new_empty(T + 1, B, H)
        h[0] = state[0]
        saved = Saved(
            tuple(history_of(each, T) for each in state[1:]),
            PooledBuffer((T, B, SAVED[name] * H), dtype),
            PooledBuffer((T + 1, B, H), dtype) if dtype == torch.bfloat16 else None,
        )
        n_parts = policy.parts_of(h[0], U)
        h_matmul = saved.h_matmul(h)
        h_matmul[0] = h[0]
        C = [each.tensor for each in saved.C]
        arrays = (table.contiguous(), ids, c_n, h, h_matmul, saved.gates.tensor, *C)
        run_steps(f"{name}_forward", U.t(), h_matmul, (*arrays, *capped), n_parts)
        ctx.name, ctx.saved, ctx.n_parts = name, saved, n_parts
        ctx.table_rows, ctx.table_dtype = len(table), table.dtype
        ctx.save_for_backward(ids, U, h)
        return h[1:], *(each[-1].clone() for each in (h, *C))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, *grad_state: Tensor) -> tuple[Tensor | None, ...]:
        ids, U, h = ctx.saved_tensors
        (T, B, H), n_parts, V = grad_outputs.shape, ctx.n_parts, ctx.table_rows
        h_matmul = ctx.saved.h_matmul(h)
        dh, *dC = [each.clone() for each in grad_state]
        # At each position W x + b has the same gradient as U h, to which it is added, except in
        # the gru, where the reset gate multiplies U h first.
        same_gradient = not len(ids) and ctx.name != "gru"
        buffer = None if same_gradient else PooledBuffer((T, B, len(U)), h_matmul.dtype)
        d_gates = buffer.tensor if buffer else h_matmul.new_empty(T, B, len(U))
        if len(ids):
            # Parts may share rows, so each fills its own table, unless their sum costs too much.
            n_tables = n_parts = n_parts if n_parts * V <= T * B else 1
            d_table = h.new_zeros(n_tables, V, len(U))
        else:
            d_table = h.new_empty(int(not same_gradient), V, len(U))
        C = [each.tensor for each in ctx.saved.C]
        gates = ctx.saved.gates.tensor
        d_c = [h.new_zeros(n_parts, H)] if ctx.name == "gru" else []
        arrays = (ids, grad_outputs.contiguous(), h, gates, dh, d_gates, d_table, *d_c, *C, *dC)
        dh += run_steps(f"{ctx.name}_backward", U, d_gates, arrays, n_parts)
        d_U = multiply_transposed(
            d_gates.flatten(0, 1), h_matmul[:-1].flatten(0, 1), h_matmul.dtype
        )
        if same_gradient:
            d_table = d_gates.flatten(0, 1)
        else:
            d_table = d_table.sum(0) if len(d_table) > 1 else d_table[0]
        d_c_n = d_c[0].sum(0) if d_c else None
        return None, None, None, None, d_table.to(ctx.table_dtype), d_c_n, d_U, dh, *dC


def run_steps(
    function: str,
    matrix: Tensor,
    x: Tensor,
    arrays: tuple[Tensor | bool, ...],
    n_parts: int,
) -> Tensor:
    """Run all steps of a window and return the last product, (B, N).

    Args:
        function: the name of one in `charlm/kernels/cells.py`: gru_forward, lstm_backward, …
        matrix: (K, N), by which each entry of x is multiplied.
        x: forward the states (T + 1, B, K), backward the gates' gradients (T, B, K). The steps
            write them.
        arrays: the function's other arguments, with tensors in place of arrays.
        n_parts: how many parts the rows are divided into.
    """
    (K, N), B, n_threads = matrix.shape, x.shape[1], torch.get_num_threads()
    step_arrays = [array_of(each) if isinstance(each, Tensor) else each for each in arrays]
    if policy.runs_window(matrix, x.dtype, B, n_parts):
        narrow = x.dtype == torch.bfloat16
        shape = kernels.packed_shape(K, N, narrow)
        panels = PooledBuffer(shape, torch.int32 if narrow else torch.float32)
        kernels.pack(array_of(matrix), panels.tensor.numpy(), min(n_threads, n_parts), n_parts)
        product = x.new_zeros(B, shape[0] * shape[-1], dtype=torch.float32)
        split_rows = policy.splits_rows(matrix, x.dtype, B, n_parts)
        operands = (array_of(x), panels.tensor.numpy(), product.numpy(), step_arrays)
        kernels.run_window(function, *operands, n_threads, n_parts, split_rows)
        return product[:, :N]
    multiply = multiplier(matrix.t().to(x.dtype), B)
    if function.endswith("_forward"):
        for t, before in enumerate(x[:-1].unbind(0)):
            product = multiply(before)
            kernels.run_step(function, t, array_of(product), step_arrays, n_threads, n_parts)
        return product
    product = x.new_zeros(B, N)
    for t, d in reversed(list(enumerate(x.unbind(0)))):
        kernels.run_step(function, t, array_of(product), step_arrays, n_threads, n_parts)
        product = multiply(d)
    return product


def history_of(first: Tensor, steps: int) -> PooledBuffer:
    """A buffer (T + 1, B, H) for the state before and after each step, starting with `first`."""
    buffer = PooledBuffer((steps + 1, *first.shape), first.dtype)
    buffer.tensor[0] = first
    return buffer
