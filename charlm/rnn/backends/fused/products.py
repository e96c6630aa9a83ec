"""Matrix products outside of compiled windows."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from charlm import kernels
from charlm.machine.threads import most_threads
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.buffers import PooledBuffer, array_of

# Types of a packed matrix, by whether it holds bfloat16, in pairs.
ENTRIES = {False: torch.float32, True: torch.int32}


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`torch.nn.functional.linear`, of inputs (…, I), by compiled code where that is faster.

    Under autocast to bfloat16 the factors are rounded, but neither sums nor outputs.
    """
    dtype = policy.matmul_dtype()
    if inputs.dtype == torch.float32 and policy.multiplies(dtype, inputs.numel() * len(weight)):
        function: Any = Linear  # `apply` has no useful types in torch
        outputs: Tensor = function.apply(inputs, weight, bias, dtype)
        return outputs
    return F.linear(inputs, weight, bias)


class Linear(torch.autograd.Function):
    """A linear layer whose products compiled code computes."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.dtype = dtype
        product = multiply(inputs.flatten(0, -2), weight.t(), dtype)
        return (product + bias).view(*inputs.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        d, dtype = grad_outputs.flatten(0, -2).contiguous(), ctx.dtype
        d_inputs = multiply(d, weight, dtype).reshape(inputs.shape)
        return d_inputs, multiply_transposed(d, inputs.flatten(0, -2), dtype), d.sum(0), None


def multiply(x: Tensor, matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The product (M, N) of x (M, K) and a matrix (K, N), all float32, in one call.

    Args:
        dtype: float32; or bfloat16, to which factors are rounded if K is even.
    """
    (K, N), narrow = matrix.shape, dtype == torch.bfloat16 and len(matrix) % 2 == 0
    n_threads, n_parts = torch.get_num_threads(), most_threads()
    panels = PooledBuffer(kernels.packed_shape(K, N, narrow), ENTRIES[narrow])
    kernels.pack(array_of(matrix), array_of(panels.tensor), min(n_threads, n_parts), n_parts)
    product = torch.empty(len(x), kernels.padded_columns(N))
    x_array, panels_array = array_of(x.contiguous()), array_of(panels.tensor)
    kernels.multiply(x_array, panels_array, array_of(product), n_threads, n_parts)
    return product[:, :N]


def multiply_transposed(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """leftᵀ · right in float32, of matrices (K, M) and (K, N) in float32 or bfloat16.

    Args:
        dtype: as of `multiply`.
    """
    narrow = dtype == torch.bfloat16 and len(left) % 2 == 0
    if not policy.multiplies(dtype) or (left.dtype == torch.bfloat16 and not narrow):
        return (left.t() @ right).float()
    M, N, n_parts = left.shape[1], right.shape[1], most_threads()
    if M < N:
        # Threads share the columns of the left one, and each packs all of the right one.
        return multiply_transposed(right, left, dtype).t()
    shapes = kernels.scratch_shapes(M, N, n_parts)
    scratch = [PooledBuffer(each, ENTRIES[narrow]) for each in shapes]
    product = torch.empty(M, kernels.padded_columns(N))
    kernels.multiply_transposed(
        array_of(left.contiguous()),
        array_of(right.contiguous()),
        [array_of(each.tensor) for each in scratch],
        array_of(product),
        torch.get_num_threads(),
        n_parts,
    )
    return product[:, :N]


def multiplier(matrix: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """A function that multiplies x (rows, K) by the transpose of a matrix (N, K).

    It is meant for every step of a window: each call may overwrite the previous result. oneDNN is
    up to twice as fast with a matrix packed for it, unless the matrix is so small that the costlier
    call outweighs this. The operations are internal to torch's compiler and undocumented.
    """
    if rows > 1 and packs(matrix.dtype) and matrix.numel() >= policy.WORTH_PACKING[matrix.dtype]:
        pack, multiply = torch.ops.mkldnn._reorder_linear_weight, torch.ops.mkldnn._linear_pointwise
        packed = pack(matrix.contiguous(), rows)
        return lambda x: multiply(x, packed, None, "none", [], "")
    transposed, out = matrix.t(), matrix.new_empty(rows, len(matrix))
    return lambda x: torch.mm(x, transposed, out=out)


def packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN can multiply by packed matrices of this type here."""
    operations = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch._C._has_mkldnn or not all(hasattr(operations, name) for name in names):
        return False
    return dtype == torch.float32 or bool(operations._is_mkldnn_bf16_supported())
