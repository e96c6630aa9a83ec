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
from charlm.rnn.cells import Cell, LayerWeights, LinearCell, State


class Sizes(NamedTuple):
    """Of a cell, in units of H: its gates, and what a step keeps for the backward pass."""

    gates: int
    kept: int


SIZES = {"rnn": Sizes(1, 0), "gru": Sizes(3, 4), "lstm": Sizes(4, 5)}
COMPILED = find_spec("numba") is not None
ARRAY_TYPES = (torch.float32, torch.bfloat16, torch.int64)
LOOKS_UP = True


def supports(cell: Cell) -> bool:
    """It has the three cells of torch and the linear ones, normalized or not, without zoneout."""
    known = cell.name in SIZES or isinstance(cell, LinearCell)
    return known and cell.form in ("", "with layer normalization")


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    if isinstance(cell, LinearCell):
        shares = cell.share(inputs, weights).to(state[0].dtype)
        return run_linear(*cell.coefficients(shares), state[0])
    U, c = weights.U, weights.c
    H = U.shape[1]
    if inputs.is_floating_point():
        # Every position reads a row of its own.
        rows = inputs.flatten(0, 1)
        ids = torch.arange(len(rows), device=inputs.device).view(inputs.shape[:2])
    else:
        rows, ids = torch.arange(weights.W.shape[1], device=inputs.device), inputs
    # The reset gate multiplies c_n. All other biases only ever stand in one sum.
    c, c_n = (F.pad(c[: 2 * H], (0, H)), c[2 * H :]) if cell.name == "gru" else (c, c[:0])
    table = (cell.share(rows, weights) + c).to(state[0].dtype)
    device = inputs.device.type
    narrow = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if narrow else U.dtype
    gain = weights.gain_U if cell.config.layer_norm else c[:0]
    layer: Any = FusedLayer  # torch types apply as taking and giving anything
    outputs, *last = layer.apply(cell.name, dtype, ids, table, c_n, gain, U, *state)
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
            ids: of the rows, (T, B).
            table: (V, G·H).
            c_n: the gru's bias inside of the reset, (H); empty for other cells.
            gain: of the products' layer normalization, (G·H); empty for none.
            U: (G·H, H).
            state: each (B, H).
        """
        (T, B), H = ids.shape, U.shape[1]
        histories = [table.new_empty(T + 1, B, H) for _ in state]
        for history, first in zip(histories, state, strict=True):
            history[0] = first
        h = histories[0]
        rows = Lease(h, dtype)
        rows.tensor[0] = h[0]
        # What is kept is most of what a step reads and writes, which takes as long as arithmetic.
        kept_type = dtype if compiles(table, rows.tensor) else table.dtype
        kept = Lease(table.new_empty(0), kept_type, T, B, SIZES[name].kept * H)
        step = compiled(
            f"{name}_forward",
            table.contiguous(),
            ids,
            c_n,
            h,
            rows.tensor,
            kept.tensor,
            *histories[1:],
        )
        multiply = linear(U.to(dtype), B)
        norm = Normalization(gain, T, B) if len(gain) else None
        for t, before in enumerate(rows.tensor[:-1].unbind(0)):
            product = multiply(before)
            step(t, norm(t, product) if norm else product)
        ctx.name, ctx.kept, ctx.rows, ctx.norm = name, kept, rows, norm
        ctx.save_for_backward(ids, table, U, *histories)
        return h[1:], *(history[-1].clone() for history in histories)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        ids, table, U, *histories = ctx.saved_tensors
        (T, B), H = ids.shape, U.shape[1]
        rows, kept = ctx.rows.tensor, ctx.kept.tensor
        dh, *dC = [each.clone() for each in last]
        lease = Lease(rows, rows.dtype, T, B, len(U))
        sums, d_table = lease.tensor, torch.zeros_like(table)
        memory = [each for pair in zip(histories[1:], dC, strict=True) for each in pair]
        step = compiled(
            f"{ctx.name}_backward",
            ids,
            upper.contiguous(),
            histories[0],
            kept,
            dh,
            sums,
            d_table,
            *memory,
        )
        multiply = linear(U.t().to(rows.dtype), B)
        product = rows.new_zeros(B, H)
        denormalize, d_gain, d_bias = ctx.norm.backward() if ctx.norm else (None, None, None)
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
            d_c = d_q if d_bias is None else d_bias[2 * H :]
        return None, None, None, d_table, d_c, d_gain, d_U, dh, *dC


class Normalization:
    """Layer normalization of each step's product, and its way back; see `Cell.recurrent`.

    Args:
        gain: (N).
    """

    def __init__(self, gain: Tensor, T: int, B: int) -> None:
        N = len(gain)
        self.about = gain.detach(), gain.new_empty(T, B, N), gain.new_empty(T, B)
        self.result = gain.new_empty(B, N)
        self.normalize = compiled("normalize", *self.about, self.result)

    def __call__(self, t: int, product: Tensor) -> Tensor:
        """Step t's product normalized, (B, N); the last result is lost."""
        self.normalize(t, product)
        return self.result

    def backward(self) -> tuple[Callable[[int, Tensor], None], Tensor, Tensor]:
        """What turns the gradient of step t's result, (B, N), into its product's, in place.

        The tensors, (N), are the gradients of the gain and of what is added after it, complete when
        the function was called for every step.
        """
        d_gain, d_bias = torch.zeros_like(self.about[0]), torch.zeros_like(self.about[0])
        return compiled("denormalize", *self.about, d_gain, d_bias), d_gain, d_bias


def run_linear(a: Tensor, v: Tensor, h: Tensor) -> tuple[Tensor, State]:
    """h_t = a_t ⊙ h_{t-1} + v_t one after another: see `charlm.rnn.cells.minimal`."""
    function: Any = LinearRecurrence
    outputs = function.apply(a.contiguous(), v.contiguous(), h)
    return outputs, (outputs[-1],)


class LinearRecurrence(torch.autograd.Function):
    """All states of a linear recurrence, (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, v: Tensor, first: Tensor) -> Tensor:
        h = torch.cat([first.unsqueeze(0), v])
        step = compiled("linear_forward", a, h)
        step(0, h[0])
        ctx.save_for_backward(a, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor) -> tuple[Tensor, ...]:
        a, h = ctx.saved_tensors
        d_h = torch.cat([torch.zeros_like(h[:1]), upper])
        compiled("linear_backward", a, d_h)(0, h[0])
        return d_h[1:] * h[:-1], d_h[1:], d_h[0]


def compiled(name: str, *tensors: Tensor) -> Callable[[int, Tensor], None]:
    """A step's function over these tensors, compiled if possible; it takes t and the product."""
    if not compiles(*tensors):
        function = getattr(pointwise_torch, name)
        return lambda t, product: function(t, product, *tensors)
    from charlm.rnn import pointwise

    function = getattr(pointwise, name)
    arrays = [array_of(each) for each in tensors]
    return lambda t, product: function(t, array_of(product), *arrays)


def compiles(*tensors: Tensor) -> bool:
    """Whether compiled code is to work on these."""
    arrays = all(each.device.type == "cpu" and each.dtype in ARRAY_TYPES for each in tensors)
    return COMPILED and arrays


def array_of(tensor: Tensor) -> Any:
    """A tensor's memory as a NumPy array; bfloat16, which NumPy lacks, as its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class Lease:
    """Memory that is used again once the lease is gone: fresh pages cost more than the arithmetic.

    Args:
        like: a tensor of the wanted device, and of the wanted shape if none is given.
        dtype: if `like` has it and the shape, no memory is needed: `like` itself is passed on.
        shape: of the tensor.
    """

    MOST = 8  # of a shape, and shapes
    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(self, like: Tensor, dtype: torch.dtype, *shape: int) -> None:
        self.key = None
        self.tensor = like
        if shape or dtype != like.dtype:
            shape = shape or tuple(like.shape)
            self.key = (shape, dtype, like.device)
            waiting = self.free.get(self.key, [])
            self.tensor = waiting.pop() if waiting else like.new_empty(shape, dtype=dtype)

    def __del__(self) -> None:
        if self.key is not None:
            if self.key not in self.free and len(self.free) >= self.MOST:
                self.free.pop(next(iter(self.free)))
            waiting = self.free.setdefault(self.key, [])
            if len(waiting) < self.MOST:
                waiting.append(self.tensor)


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
