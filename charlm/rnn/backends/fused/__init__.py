"""The fast backend: a window of a layer in one call of compiled code, forward and backward.

W x of all steps is computed before the loop over time, and the gradients of the weights after it,
each as one product over all T·B rows (Appleyard et al. 2016). What is left of a step is the product
with U and one pass of arithmetic, which `charlm.kernels` does for the whole window. On the CPU, in
float32 or autocast to bfloat16; whatever else it is handed, the scratch backend computes.
"""

from torch import Tensor

from charlm import kernels
from charlm.errors import value_error_as_usage_error
from charlm.rnn.backends import scratch
from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.layer import SAVED, run_gated
from charlm.rnn.backends.fused.linear import run_linear
from charlm.rnn.cells import Cell, LayerWeights, LinearCell, State

LOOKS_UP = True


def supports(cell: Cell) -> bool:
    """Whether there is compiled code, and it has the cell: rnn, gru, lstm, mingru and minlstm."""
    known = cell.name in SAVED or isinstance(cell, LinearCell)
    return kernels.available() and known and not cell.variant


def has_bfloat16(cell: Cell, hidden_size: int) -> bool:
    """Whether windows of the cell are computed in bfloat16 here: fast at nearly any size."""
    plain = supports(cell) and cell.name in SAVED
    return plain and policy.has_bfloat16(*cell.weight_shapes(1, hidden_size)["U"])


def check_choice() -> None:
    """Raise UsageError if the environment variable CHARLM_KERNELS says nonsense."""
    with value_error_as_usage_error():
        kernels.choice()


def shares_threads() -> bool:
    """Whether compiled code uses all threads that torch has."""
    return not policy.leaves_threads_idle()


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.backends.backend.Backend`."""
    if not policy.computes(state[0]):
        return scratch.run_layer(cell, inputs, state, weights)
    if isinstance(cell, LinearCell):
        return run_linear(cell, inputs, state, weights)
    return run_gated(cell, inputs, state, weights)
