"""Locked dropout: a mask that stays the same from step to step (Gal & Ghahramani 2016)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout_mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Zeros with probability p, else 1/(1-p): a mask of this shape, of `like`'s type and device.

    On the CPU, where torch takes ten nanoseconds to draw a number, 64 random bits are four of them,
    and p a multiple of 2⁻¹⁶.
    """
    if like.device.type != "cpu":
        return F.dropout(like.new_ones(shape), p)
    size = math.prod(shape)
    bits = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = bits.view(torch.int16)[:size].view(shape)
    return (drawn >= round(p * 2**16) - 2**15).to(like.dtype).mul_(1 / (1 - p))


def locked_dropout(inputs: Tensor, p: float, training: bool) -> Tensor:
    """Inputs (T, B, F) under one mask (1, B, F) for the whole window, drawn anew at each call."""
    if not (training and p):
        return inputs
    return inputs * dropout_mask(inputs, inputs.shape[1:], p)
