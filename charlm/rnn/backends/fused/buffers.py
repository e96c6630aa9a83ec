"""Reusable memory for the fused layers, and tensors as NumPy arrays."""

import math
import mmap
from contextlib import suppress
from typing import Any, ClassVar

import torch
from torch import Tensor

LARGE = 4 << 20  # bytes, two large pages


def array_of(tensor: Tensor) -> Any:
    """A NumPy view of a tensor; bfloat16, which NumPy lacks, as its bits in uint16."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def large_pages(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An uninitialized tensor, in large pages where the system has them for who asks.

    Memory that is written once a window and read once is otherwise looked up page by page.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype)
    memory = mmap.mmap(-1, size)
    with suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype)[: math.prod(shape)].view(shape)


class PooledBuffer:
    """An uninitialized tensor whose memory is reused once the buffer is deleted.

    Allocating fresh pages for every window would cost more than the arithmetic.

    Args:
        shape: the tensor's shape.
        dtype: its type.

    Attributes:
        tensor: to be used only as long as the buffer lives.
    """

    MOST_SHAPES = 12  # beyond these the memory of the oldest shape is released
    free: ClassVar[dict[tuple[Any, ...], list[Tensor]]] = {}

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.key = (shape, dtype)
        waiting = self.free.get(self.key, [])
        self.tensor = waiting.pop() if waiting else large_pages(shape, dtype)

    def __del__(self) -> None:
        if self.key not in self.free and len(self.free) >= self.MOST_SHAPES:
            self.free.pop(next(iter(self.free)))
        self.free.setdefault(self.key, []).append(self.tensor)
