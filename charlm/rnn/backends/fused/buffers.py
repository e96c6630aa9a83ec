"""Memory of the fused layers, and tensors as arrays."""

from typing import Any, ClassVar

import torch
from torch import Tensor


def array_of(tensor: Tensor) -> Any:
    """A tensor's memory as a NumPy array; bfloat16, which NumPy lacks, as its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class PooledBuffer:
    """A tensor whose memory is used again once the buffer is gone.

    Pages that are new to the process cost more than the arithmetic.

    Args:
        shape, dtype: of the tensor, whose values are whatever was there before.
    """

    MOST_SHAPES = 12  # that are remembered
    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.key = (shape, dtype)
        waiting = self.free.get(self.key, [])
        self.tensor = waiting.pop() if waiting else torch.empty(shape, dtype=dtype)

    def __del__(self) -> None:
        if self.key not in self.free and len(self.free) >= self.MOST_SHAPES:
            self.free.pop(next(iter(self.free)))
        self.free.setdefault(self.key, []).append(self.tensor)
