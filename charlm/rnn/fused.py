"""The fast backend: one recurrent product a step, everything else hoisted out of the loop.

The input's share of all steps is computed before the loop, the gradients of the weights after it,
each as one product over all T·B rows (Appleyard et al. 2016; the schedule of Haste's GRU). What is
left of a step is one product and one pass of arithmetic, which numba compiles
(`charlm.rnn.pointwise`) for float32 on the CPU and torch does elsewhere
(`charlm.rnn.pointwise_torch`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm.rnn import pointwise_torch
from charlm.rnn.cells import Cell, State
from charlm.rnn.layer import LayerWeights


class Sizes(NamedTuple):
    """Of a cell, in units of H: its gates, what a step keeps, the gradients of its sums."""

    gates: int
    kept: int
    sums: int


SIZES = {"rnn": Sizes(1, 0, 1), "gru": Sizes(3, 4, 4), "lstm": Sizes(4, 5, 4)}
COMPILED = find_spec("numba") is not None
LOOKS_UP = True


def supports(cell: Cell) -> bool:
    """It has the three cells, of the GRU the form that resets after the product."""
    return cell.name in SIZES and (cell.name != "gru" or cell.reset_after)


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    W, U, b, c = weights
    H = U.shape[1]
    if cell.name == "gru":
        # The reset gate multiplies c_n. All other biases only ever stand in one sum.
        b, c_n = torch.cat([b[: 2 * H] + c[: 2 * H], b[2 * H :]]), c[2 * H :]
    else:
        b, c_n = b + c, c[:0]
    if inputs.is_floating_point():
        # Every position reads a row of its own.
        table = F.linear(inputs.flatten(0, 1), W, b)
        ids = torch.arange(len(table), device=inputs.device).view(inputs.shape[:2])
    else:
        table, ids = W.t() + b, inputs
    device = inputs.device.type
    narrow = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if narrow else U.dtype
    table = table.to(state[0].dtype)
    layer: Any = FusedLayer  # torch types apply as taking and giving anything
    outputs, *last = layer.apply(cell.name, dtype, ids, table, c_n, U, *state)
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
        U: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Outputs (T, B, H) and the last state, each (B, H).

        Args:
            name: the cell's.
            dtype: to multiply in.
            ids: of the rows, (T, B).
            table: (V, G·H).
            c_n: the gru's bias inside of the reset, (H); empty for other cells.
            U: (G·H, H).
            state: each (B, H).
        """
        (T, B), H = ids.shape, U.shape[1]
        sizes = SIZES[name]
        histories = [table.new_empty(T + 1, B, H) for _ in state]
        for history, first in zip(histories, state, strict=True):
            history[0] = first
        h = histories[0]
        kept = table.new_empty(T, B, sizes.kept * H)
        product = table.new_empty(B, sizes.gates * H)
        step = compiled(
            f"{name}_forward", table.contiguous(), ids, product, c_n, h, kept, *histories[1:]
        )
        multiply = Product(U.t(), product, dtype)
        for t, before in enumerate(h[:-1].unbind(0)):
            multiply(before)
            step(t)
        ctx.name, ctx.dtype = name, dtype
        ctx.save_for_backward(ids, table, U, kept, *histories)
        return h[1:], *(history[-1].clone() for history in histories)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        ids, table, U, kept, *histories = ctx.saved_tensors
        (T, B), H = ids.shape, U.shape[1]
        sizes = SIZES[ctx.name]
        h = histories[0]
        flowing = [each.clone() for each in last]
        sums = table.new_empty(T, B, sizes.sums * H)
        memory = [each for pair in zip(histories[1:], flowing[1:], strict=True) for each in pair]
        step = compiled(
            f"{ctx.name}_backward", upper.contiguous(), h, kept, flowing[0], sums, *memory
        )
        # The gru's first is the gradient of n's share of the input, which no product makes.
        recurrent = sums[..., -sizes.gates * H :]
        multiply = Product(U, torch.empty_like(flowing[0]), ctx.dtype)
        for t, rows in reversed(list(enumerate(recurrent.unbind(0)))):
            step(t)
            flowing[0] += multiply(rows)
        rows = recurrent.flatten(0, 1).to(ctx.dtype)
        d_U = (rows.t() @ h[:-1].flatten(0, 1).to(ctx.dtype)).to(U.dtype)
        d_table = torch.zeros_like(table)
        compiled("scatter", ids, sums[..., : sizes.gates * H], d_table)()
        d_c = U.new_zeros(0)
        if ctx.name == "gru":
            # From n, r, z to r, z, n.
            d_table = d_table.roll(-H, dims=1)
            d_c = sums[..., 3 * H :].sum((0, 1))
        return None, None, None, d_table, d_c, d_U, *flowing


def compiled(name: str, *tensors: Tensor) -> Callable[..., None]:
    """The named function over these tensors, compiled where that is possible."""
    fits = all(
        each.device.type == "cpu" and each.dtype in (torch.float32, torch.int64) for each in tensors
    )
    if not (COMPILED and fits):
        function = getattr(pointwise_torch, name)
        return lambda *t: function(*t, *tensors)
    from charlm.rnn import pointwise

    function = getattr(pointwise, name)
    arrays = [each.detach().numpy() for each in tensors]
    return lambda *t: function(*t, *arrays)


class Product:
    """A product with one matrix, again and again, into one buffer.

    Args:
        matrix: (K, N).
        out: (B, N), of the type that the rows have.
        dtype: to multiply in.
    """

    def __init__(self, matrix: Tensor, out: Tensor, dtype: torch.dtype) -> None:
        self.matrix = matrix.to(dtype)
        self.out = out
        self.narrow_out = torch.empty_like(out, dtype=dtype)
        self.narrow = dtype != out.dtype

    def __call__(self, rows: Tensor) -> Tensor:
        """rows (B, K) times the matrix."""
        if not self.narrow:
            return torch.mm(rows, self.matrix, out=self.out)
        torch.mm(rows.to(self.matrix.dtype), self.matrix, out=self.narrow_out)
        return self.out.copy_(self.narrow_out)
