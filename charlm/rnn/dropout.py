"""Locked dropout: a mask that stays the same from step to step (Gal & Ghahramani 2016)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout_mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """A mask of the given shape: 0 with probability p, else 1 / (1 - p).

    On the CPU torch takes ten nanoseconds to draw a number, so 64 random bits serve as four
    numbers of 16 bits, and p is rounded to a multiple of 2⁻¹⁶.

    Args:
        like: a tensor whose dtype and device the mask gets.
        shape: the mask's shape.
        p: the probability of a zero.
    """
    if like.device.type != "cpu":
        return F.dropout(like.new_ones(shape), p)
    size = math.prod(shape)
    bits = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = bits.view(torch.int16)[:size].view(shape)
    return (drawn >= round(p * 2**16) - 2**15).to(like.dtype).mul_(1 / (1 - p))


def locked_dropout(inputs: Tensor, p: float, training: bool) -> Tensor:
    """Apply dropout to inputs (T, B, F), with one mask (B, F) for all steps, new at each call."""
    if not (training and p):
        return inputs
    return inputs * dropout_mask(inputs, inputs.shape[1:], p)
