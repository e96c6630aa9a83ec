"""Torch's own kernels (cuDNN, oneDNN and ATen) behind torch.nn.RNN, GRU and LSTM."""

import warnings
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.cells import Cell, LayerWeights, State

LOOKS_UP = False
KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "rnn": torch.rnn_tanh,
    "gru": torch.gru,
    "lstm": torch.lstm,
}


def supports(cell: Cell) -> bool:
    """Whether torch has the cell: a plain rnn, gru or lstm."""
    return cell.name in KERNELS and not cell.variant


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`."""
    kernel = KERNELS[cell.name]
    if inputs.device.type == "cuda":
        ignore_copied_weights()
    if not inputs.is_floating_point():
        inputs = F.one_hot(inputs, weights.W.shape[1]).to(weights.W.dtype)
    device = inputs.device.type
    # Under autocast torch leaves these kernels in fp32 on the CPU, so the cast is made here.
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype
    first = [each.to(dtype).unsqueeze(0) for each in state]
    outputs, *last = kernel(
        inputs.to(dtype),
        tuple(first) if len(first) > 1 else first[0],
        [weights[letter].to(dtype) for letter in "WUbc"],
        True,  # biases
        1,  # layers
        0.0,  # dropout
        torch.is_grad_enabled(),
        False,  # bidirectional
        False,  # batch first
    )
    return outputs, tuple(each.squeeze(0).to(state[0].dtype) for each in last)


@cache
def ignore_copied_weights() -> None:
    """Silence cuDNN's warning that it copies the weights at each call, which takes microseconds."""
    message = "RNN module weights are not part of single contiguous"
    warnings.filterwarnings("ignore", message=message)
