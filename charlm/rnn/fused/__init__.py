"""The fast backend: one recurrent product a step, everything else hoisted out of the loop.

The input's share of all steps is computed before the loop, the gradients of the weights after it,
each as one product over all T·B rows (Appleyard et al. 2016; the schedule of Haste's GRU). What is
left of a step is one product and one pass of arithmetic, which numba compiles on the CPU
(`charlm.rnn.fused.kernels`) and torch does elsewhere (`charlm.rnn.fused.kernels_torch`).
"""

from torch import Tensor

from charlm.rnn.cells import Cell, LayerWeights, LinearCell, MogrifierLSTM, State
from charlm.rnn.fused import machine
from charlm.rnn.fused.gated import KEPT, run_gated
from charlm.rnn.fused.linear import run_linear
from charlm.rnn.fused.mogrifier import run_mogrifier

LOOKS_UP = True


def supports(cell: Cell) -> bool:
    """It has every cell, without zoneout; the Mogrifier without layer normalization too."""
    known = cell.name in KEPT or isinstance(cell, LinearCell)
    plain = isinstance(cell, MogrifierLSTM) and not cell.form
    return plain or (known and cell.form in ("", "with layer normalization"))


def in_tiles(cell: Cell, hidden_size: int) -> bool:
    """Whether products in bfloat16 are made in tiles here, which is fast at nearly every size."""
    gated = cell.name in KEPT and not cell.form
    return gated and machine.in_tiles(*cell.weight_shapes(1, hidden_size)["U"])


def run_layer(
    cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
) -> tuple[Tensor, State]:
    """Run one layer over a window; see `charlm.rnn.layer.Backend`."""
    if isinstance(cell, LinearCell):
        return run_linear(cell, inputs, state, weights)
    if isinstance(cell, MogrifierLSTM):
        return run_mogrifier(cell, inputs, state, weights)
    return run_gated(cell, inputs, state, weights)
