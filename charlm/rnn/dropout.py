"""Locked dropout: a mask that stays the same from step to step (Gal & Ghahramani 2016)."""

import torch.nn.functional as F
from torch import Tensor


def locked_mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Zeros with probability p, else 1/(1-p): a mask of this shape, of `like`'s type and device."""
    return F.dropout(like.new_ones(shape), p)


def locked_dropout(inputs: Tensor, p: float, training: bool) -> Tensor:
    """Inputs (T, B, F) under one mask (1, B, F) for the whole window, drawn anew at each call."""
    if not (training and p):
        return inputs
    return inputs * locked_mask(inputs, tuple(inputs.shape[1:]), p)
