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
        kept = Lease(table.dtype, T, B, sizes.kept * H, device=table.device)
        step = compiled(
            f"{name}_forward", table.contiguous(), ids, c_n, h, kept.tensor, *histories[1:]
        )
        multiply = Products(U, h[:-1], dtype)
        for t in range(T):
            step(t, multiply(t).to(table.dtype))
        ctx.name, ctx.kept, ctx.before = name, kept, multiply.rows
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
        lease = Lease(table.dtype, T, B, sizes.gates * H, device=table.device)
        sums = lease.tensor
        d_table = torch.zeros_like(table)
        memory = [each for pair in zip(histories[1:], flowing[1:], strict=True) for each in pair]
        step = compiled(
            f"{ctx.name}_backward",
            ids,
            upper.contiguous(),
            h,
            ctx.kept.tensor,
            flowing[0],
            sums,
            d_table,
            *memory,
        )
        multiply = Products(U.t(), sums, ctx.before.tensor.dtype)
        for t in reversed(range(T)):
            step(t)
            flowing[0] += multiply(t)
        before, rows = ctx.before.tensor.flatten(0, 1), multiply.rows.tensor.flatten(0, 1)
        d_U = (rows.t() @ before).to(U.dtype)
        d_c = sums[..., 2 * H :].sum((0, 1)) if ctx.name == "gru" else U.new_zeros(0)
        return None, None, None, d_table, d_c, d_U, *flowing


def compiled(name: str, *tensors: Tensor) -> Callable[..., None]:
    """A step's function over these tensors, compiled if possible; it takes t and what is new."""
    fits = all(
        each.device.type == "cpu" and each.dtype in (torch.float32, torch.int64) for each in tensors
    )
    if not (COMPILED and fits):
        function = getattr(pointwise_torch, name)
        return lambda t, *new: function(t, *new, *tensors)
    from charlm.rnn import pointwise

    function = getattr(pointwise, name)
    arrays = [each.detach().numpy() for each in tensors]
    return lambda t, *new: function(t, *(each.numpy() for each in new), *arrays)


class Lease:
    """Memory that is used again once the lease is gone: fresh pages cost more than the arithmetic.

    Args:
        shape: of the tensor.
        tensor: one that needs no memory, to be passed on as it is.
    """

    MOST = 8  # of a shape, and shapes
    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(
        self, dtype: torch.dtype, *shape: int, device: torch.device, tensor: Tensor | None = None
    ) -> None:
        self.key = None if tensor is not None else (shape, dtype, device)
        if tensor is None:
            waiting = self.free.get((shape, dtype, device), [])
            tensor = waiting.pop() if waiting else torch.empty(shape, dtype=dtype, device=device)
        self.tensor = tensor

    def __del__(self) -> None:
        if self.key is not None:
            if self.key not in self.free and len(self.free) >= self.MOST:
                self.free.pop(next(iter(self.free)))
            waiting = self.free.setdefault(self.key, [])
            if len(waiting) < self.MOST:
                waiting.append(self.tensor)


class Products:
    """The product of each step's rows with one matrix, in a type that may be narrower than theirs.

    Args:
        matrix: (N, K), to be transposed, as a linear layer's.
        history: rows (T, B, K), each step's filled in before its product is asked for.
        dtype: to multiply in.

    Attributes:
        rows: the history in that type, as far as products were asked for.
    """

    def __init__(self, matrix: Tensor, history: Tensor, dtype: torch.dtype) -> None:
        narrow = dtype != history.dtype
        self.rows = Lease(
            dtype, *history.shape, device=history.device, tensor=None if narrow else history
        )
        self.steps = self.rows.tensor.unbind(0)
        self.wide_steps = history.unbind(0) if narrow else ()
        self.multiply = linear(matrix.to(dtype), history.shape[1])

    def __call__(self, t: int) -> Tensor:
        """Step t's rows (B, K) times the matrix, (B, N)."""
        rows = self.steps[t]
        return self.multiply(rows.copy_(self.wide_steps[t]) if self.wide_steps else rows)


def linear(matrix: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """A product of x (rows, K) with a matrix (N, K), again and again; the last result may be lost.

    On the CPU oneDNN multiplies faster, by up to two thirds, with a matrix laid out for it, unless
    the product is so small that its longer way to it costs more. Torch's compiler uses these
    functions; they are in no manual.
    """
    worth_it = rows > 1 and rows * matrix.numel() >= WORTH_PACKING
    if matrix.device.type == "cpu" and matrix.dtype in PACKED_TYPES and worth_it:
        pack, multiply = torch.ops.mkldnn._reorder_linear_weight, torch.ops.mkldnn._linear_pointwise
        packed = pack(matrix.contiguous(), rows)
        return lambda x: multiply(x, packed, None, "none", [], "")
    transposed, out = matrix.t(), matrix.new_empty(rows, len(matrix))
    return lambda x: torch.mm(x, transposed, out=out)


def packed_types() -> tuple[torch.dtype, ...]:
    """The types in which oneDNN is there to multiply."""
    operations = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch._C._has_mkldnn or not all(hasattr(operations, name) for name in names):
        return ()
    bf16 = operations._is_mkldnn_bf16_supported()
    return (torch.float32, torch.bfloat16) if bf16 else (torch.float32,)


PACKED_TYPES = packed_types()
WORTH_PACKING = 7_000_000  # multiplications
