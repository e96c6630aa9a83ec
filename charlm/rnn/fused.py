"""The fast backend: one recurrent product a step, everything else hoisted out of the loop.

The input's share of all steps is computed before the loop, the gradients of the weights after it,
each as one product over all T·B rows (Appleyard et al. 2016; the schedule of Haste's GRU). What is
left of a step is one product and one pass of arithmetic, which numba compiles
(`charlm.rnn.pointwise`) for float32 on the CPU and torch does elsewhere
(`charlm.rnn.pointwise_torch`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm.rnn import pointwise_torch
from charlm.rnn.cells import Cell, State
from charlm.rnn.layer import LayerWeights


class Sizes(NamedTuple):
    """Of a cell, in units of H: its gates, and what a step keeps for the backward pass."""

    gates: int
    kept: int


SIZES = {"rnn": Sizes(1, 0), "gru": Sizes(3, 4), "lstm": Sizes(4, 5)}
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
        lease = Lease(table, T, B, sizes.kept * H)
        kept = lease.tensor
        product = table.new_empty(B, sizes.gates * H)
        step = compiled(
            f"{name}_forward", table.contiguous(), ids, product, c_n, h, kept, *histories[1:]
        )
        multiply = Product(U.t(), product, dtype)
        for t, before in enumerate(h[:-1].unbind(0)):
            multiply(before)
            step(t)
        ctx.name, ctx.dtype, ctx.lease = name, dtype, lease
        ctx.save_for_backward(ids, table, U, *histories)
        return h[1:], *(history[-1].clone() for history in histories)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        ids, table, U, *histories = ctx.saved_tensors
        (T, B), H = ids.shape, U.shape[1]
        sizes = SIZES[ctx.name]
        h = histories[0]
        flowing = [each.clone() for each in last]
        lease = Lease(table, T, B, sizes.gates * H)
        kept, sums = ctx.lease.tensor, lease.tensor
        d_table = torch.zeros_like(table)
        memory = [each for pair in zip(histories[1:], flowing[1:], strict=True) for each in pair]
        step = compiled(
            f"{ctx.name}_backward",
            ids,
            upper.contiguous(),
            h,
            kept,
            flowing[0],
            sums,
            d_table,
            *memory,
        )
        multiply = Product(U, torch.empty_like(flowing[0]), ctx.dtype)
        for t, rows in reversed(list(enumerate(sums.unbind(0)))):
            step(t)
            flowing[0] += multiply(rows)
        rows = sums.flatten(0, 1)
        before = h[:-1].flatten(0, 1)
        d_U = (rows.to(ctx.dtype).t() @ before.to(ctx.dtype)).to(U.dtype)
        d_c = rows[:, 2 * H :].sum(0) if ctx.name == "gru" else U.new_zeros(0)
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


class Lease:
    """Memory that is used again once the lease is gone: fresh pages cost more than the arithmetic.

    Args:
        like: of whose type and device the tensor is.
        shape: its shape.
    """

    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(self, like: Tensor, *shape: int) -> None:
        self.key = (shape, like.dtype, like.device)
        waiting = self.free.setdefault(self.key, [])
        self.tensor = waiting.pop() if waiting else like.new_empty(shape)

    def __del__(self) -> None:
        self.free[self.key].append(self.tensor)


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
