"""Locked dropout: a mask that stays the same from step to step (Gal & Ghahramani 2016).

Several processes that share a batch draw the masks of all of it, and each takes its own rows. So
their generators stay alike, and one process alone would draw the same.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.distributed.world import Share

_shared: Share | None = None


@contextmanager
def drawn_for(share: Share) -> Iterator[None]:
    """Draw what is random of sequences for all of a batch, of which this process has a share."""
    global _shared
    before, _shared = _shared, share
    try:
        yield
    finally:
        _shared = before


def whole_shape(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """The shape with the sequences of all processes in place of this one's, in dimension `dim`."""
    return shape if _shared is None else (*shape[:dim], _shared.total, *shape[dim + 1 :])


def own_rows(drawn: Tensor, dim: int) -> Tensor:
    """This process's sequences of what was drawn in `whole_shape`."""
    if _shared is None or _shared.size == _shared.total:
        return drawn
    return drawn[(slice(None),) * dim + (_shared.rows,)]


def dropout_mask(
    like: Tensor, shape: tuple[int, ...], p: float, of_weights: bool = False
) -> Tensor:
    """A mask of the given shape: 0 with probability p, else 1 / (1 - p).

    On the CPU torch takes ten nanoseconds to draw a number, so 64 random bits serve as four
    numbers of 16 bits, and p is rounded to a multiple of 2⁻¹⁶.

    Args:
        like: a tensor whose dtype and device the mask gets.
        shape: the mask's shape, (sequences, …).
        p: the probability of a zero.
        of_weights: it is the mask of a weight, whose rows are no sequences.
    """
    whole = shape if of_weights else whole_shape(shape, 0)
    if like.device.type != "cpu":
        mask = F.dropout(like.new_ones(whole), p)
        return mask if of_weights else own_rows(mask, 0)
    size = math.prod(whole)
    bits = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = bits.view(torch.int16)[:size].view(whole)
    drawn = drawn if of_weights else own_rows(drawn, 0)
    return (drawn >= round(p * 2**16) - 2**15).to(like.dtype).mul_(1 / (1 - p))


def locked_dropout(inputs: Tensor, p: float, training: bool) -> Tensor:
    """Apply dropout to inputs (T, B, F), with one mask (B, F) for all steps, new at each call."""
    if not (training and p):
        return inputs
    return inputs * dropout_mask(inputs, inputs.shape[1:], p)


def dropout_of_each_step(inputs: Tensor, p: float) -> Tensor:
    """Apply dropout to inputs (T, B, F), with a mask of its own for each step."""
    whole = whole_shape(inputs.shape, 1)
    if whole == inputs.shape:
        return F.dropout(inputs, p)
    return inputs * own_rows(F.dropout(inputs.new_ones(whole), p), 1)
