"""Torch's own kernels (cuDNN, oneDNN and ATen) behind torch.nn.RNN, GRU and LSTM."""

import warnings
from collections.abc import Callable

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

# cuDNN gathers a layer's four tensors into one buffer at each call: a few microseconds.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")


def supports(cell: Cell) -> bool:
    """Torch has the three cells in their plain form."""
    return cell.name in KERNELS and not cell.form


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    kernel = KERNELS[cell.name]
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
