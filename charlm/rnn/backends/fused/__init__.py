"""The fast backend: one call of compiled code runs a layer over a whole window.

W x is computed for all steps before the loop over time, and the gradients of the weights after it,
each as one product with T·B rows (Appleyard et al. 2016). The loop itself, with the product with U
and the elementwise arithmetic of each step, runs in `charlm.kernels`, forward and backward.

Compiled code runs on the CPU, in float32 or under autocast to bfloat16. Everything else is left to
the scratch backend.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from charlm import kernels
from charlm.errors import value_error_as_usage_error
from charlm.rnn.backends import scratch
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.layer import SAVED, run_gated
from charlm.rnn.backends.fused.linear import run_linear
from charlm.rnn.backends.fused.products import linear as linear
from charlm.rnn.cells import CAPPED, Cell, LayerWeights, LinearCell, State

LOOKS_UP = True


def compiles() -> bool:
    """Whether code can be compiled here.

    Raises:
        UsageError: the environment variable CHARLM_KERNELS has an unknown value.
    """
    with value_error_as_usage_error():
        return kernels.available()


def supports(cell: Cell) -> bool:
    """Whether compiled code has the cell: an rnn, gru, lstm, mingru or minlstm.

    All of them in their plain form, and the lstm with a capped input gate too.

    Raises:
        UsageError: as `compiles` does.
    """
    has_code = cell.name in SAVED or isinstance(cell, LinearCell)
    return compiles() and has_code and cell.variant in ("", CAPPED)


def has_bfloat16(cell: Cell, hidden_size: int) -> bool:
    """Whether windows of the cell are computed in bfloat16 on this machine."""
    gated = supports(cell) and cell.name in SAVED
    return gated and policy.has_bfloat16(*cell.weight_shapes(1, hidden_size)["U"])


def multiply_at_peak(products: int, bfloat16: bool) -> Callable[[], None] | None:
    """A function that multiplies so many numbers in the registers, in all of torch's threads.

    None where nothing is compiled, or has products in bfloat16.

    Raises:
        UsageError: as `compiles` does.
    """
    if not compiles() or (bfloat16 and not kernels.has_bfloat16(32, 32)):
        return None
    return lambda: kernels.multiply_in_registers(products, bfloat16, torch.get_num_threads())


def shares_threads() -> bool:
    """Whether compiled code can use all of torch's threads."""
    return not policy.leaves_threads_idle()


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`."""
    # Of a single step the calls would cost more than the arithmetic.
    if len(inputs) == 1 or not policy.computes(state[0]):
        return scratch.run_layer(cell, inputs, state, weights)
    if isinstance(cell, LinearCell):
        return run_linear(cell, inputs, state, weights)
    return run_gated(cell, inputs, state, weights)
