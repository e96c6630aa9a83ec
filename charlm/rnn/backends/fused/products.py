"""Matrix products outside of compiled windows."""

from collections.abc import Callable

import torch
from torch import Tensor

from charlm import kernels
from charlm.machine.threads import most_threads
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.buffers import PooledBuffer, array_of


def multiply_transposed(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ · right in float32, of matrices (K, M) and (K, N) in float32 or bfloat16."""
    if not policy.multiplies_transposed(left.dtype, len(left)):
        return (left.t() @ right).float()
    M, N, n_threads, n_parts = left.shape[1], right.shape[1], torch.get_num_threads(), most_threads()
    dtype = torch.int32 if left.dtype == torch.bfloat16 else torch.float32
    scratch = [PooledBuffer(each, dtype) for each in kernels.scratch_shapes(M, N, n_parts)]
    product = torch.empty(M, kernels.padded_columns(N))
    kernels.multiply_transposed(
        array_of(left.contiguous()),
        array_of(right.contiguous()),
        [each.tensor.numpy() for each in scratch],
        product.numpy(),
        n_threads,
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
