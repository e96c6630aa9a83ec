"""Torch's own kernels (cuDNN, oneDNN and ATen) behind torch.nn.RNN, GRU and LSTM."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.rnn.backends import flat
from charlm.rnn.cells import Cell, LayerWeights, State

LOOKS_UP = False
KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "rnn": torch.rnn_tanh,
    "gru": torch.gru,
    "lstm": torch.lstm,
}


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer; see `charlm.rnn.backends.backend.Backend`."""
    return F.linear(inputs, weight, bias)


def supports(cell: Cell) -> bool:
    """Whether torch has the cell: a plain rnn, gru or lstm."""
    return cell.name in KERNELS and not cell.variant


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`.

    Off the CPU autocast does not reach these kernels, and they compute with the weights as they
    are. On CUDA it would make no bfloat16 of them, whatever it is told to: since torch 2.11 they
    would run in float16, without any scaling of the loss, and before as a loop over the steps.
    """
    kernel, device = KERNELS[cell.name], inputs.device.type
    dtype = weights.W.dtype
    if device == "cpu" and torch.is_autocast_enabled(device):
        # There it leaves them in float32, so the cast is made here.
        dtype = torch.get_autocast_dtype(device)
    if not inputs.is_floating_point():
        inputs = F.one_hot(inputs, weights.W.shape[1])
    given: Sequence[Tensor] = [weights[letter].to(dtype) for letter in flat.LETTERS]
    if flat.wants_flat(cell.name, given):
        given = flat.flattened(cell.name, given)
    first = [each.to(dtype).unsqueeze(0) for each in state]
    with nullcontext() if device == "cpu" else torch.autocast(device, enabled=False):
        outputs, *last = kernel(
            inputs.to(dtype),
            tuple(first) if len(first) > 1 else first[0],
            given,
            True,  # biases
            1,  # layers
            0.0,  # dropout
            torch.is_grad_enabled(),
            False,  # bidirectional
            False,  # batch first
        )
    return outputs, tuple(each.squeeze(0).to(state[0].dtype) for each in last)
