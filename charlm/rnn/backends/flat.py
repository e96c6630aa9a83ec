"""A layer's weights in one piece of memory, which cuDNN wants.

Where they lie elsewhere, torch's layers copy them together at each call, and warn of it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.backends.cudnn import is_acceptable
from torch.backends.cudnn.rnn import get_cudnn_mode

# The weights of a plain layer, in torch's and cuDNN's order.
LETTERS = "WUbc"
MODES = {"rnn": "RNN_TANH", "gru": "GRU", "lstm": "LSTM"}


def wants_flat(cell: str, weights: Sequence[Tensor]) -> bool:
    """Whether cuDNN would compute a layer of this cell with these weights.

    Args:
        cell: its name.
        weights: W, U, b and c.
    """
    if cell not in MODES or not weights[0].is_cuda:
        return False
    acceptable: bool = is_acceptable(weights[0])  # type: ignore[no-untyped-call]
    # AMD's counterpart of cuDNN has no such wish.
    return acceptable and bool(torch._use_cudnn_rnn_flatten_weight())


def is_flat(weights: Sequence[Tensor]) -> bool:
    """Whether weights share a piece of memory that begins with the first of them."""
    places = {each.untyped_storage().data_ptr() for each in weights}
    return len(places) == 1 and weights[0].storage_offset() == 0


@torch.no_grad()
def flatten(cell: str, weights: Sequence[Tensor]) -> None:
    """Move weights into one new piece of memory, of which they become parts; their values stay.

    Only cuDNN knows where in it each must begin.
    """
    W, U = weights[:2]
    mode = get_cudnn_mode(MODES[cell])  # type: ignore[no-untyped-call]
    sizes = (W.shape[1], mode, U.shape[1])
    with torch.cuda.device_of(W):  # type: ignore[no-untyped-call]
        # Without projections; one layer, batches second, one direction.
        torch._cudnn_rnn_flatten_weight(list(weights), len(weights), *sizes, 0, 1, False, False)


def flattened(cell: str, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Weights in one piece: themselves if they are, else copies that pass gradients on."""
    if is_flat(weights):
        return tuple(weights)
    copy: Any = Copied  # `apply` has no useful types in torch
    copies: tuple[Tensor, ...] = copy.apply(cell, *weights)
    return copies


class Copied(torch.autograd.Function):
    """Copies of weights in one piece, such as of a matrix to which dropout has been applied."""

    @staticmethod
    def forward(ctx: Any, cell: str, *weights: Tensor) -> tuple[Tensor, ...]:
        copies = tuple(each.detach().clone() for each in weights)
        flatten(cell, copies)
        return copies

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *gradients
