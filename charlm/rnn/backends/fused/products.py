"""The matrix product of each step by torch's libraries, where they beat compiled code."""

from collections.abc import Callable

import torch
from torch import Tensor

from charlm.rnn.backends.fused.policy import WORTH_PACKING


def multiplier(matrix: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    """A function that multiplies x (rows, K) by the transpose of a matrix (N, K).

    It is meant for every step of a window: each call may overwrite the previous result. oneDNN is
    up to twice as fast with a matrix packed for it, unless the matrix is so small that the costlier
    call outweighs this. The operations are internal to torch's compiler and undocumented.
    """
    if rows > 1 and packs(matrix.dtype) and matrix.numel() >= WORTH_PACKING[matrix.dtype]:
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
