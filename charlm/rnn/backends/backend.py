"""The interface that all backends share."""

from typing import Protocol

from torch import Tensor

from charlm.rnn.cells import Cell, LayerWeights, State


class Backend(Protocol):
    """A module that runs recurrent layers: `scratch`, `builtin` or `fused` beside this file.

    Attributes:
        LOOKS_UP: whether ids are looked up in a table of input projections. Otherwise they are
            turned into one-hot vectors.
    """

    LOOKS_UP: bool

    def supports(self, cell: Cell) -> bool:
        """Whether the backend has the cell in this variant."""
        ...

    def linear(self, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The outputs (…, O) of a linear layer for inputs (…, I), as torch's function of the name.

        Args:
            weight: (O, I).
            bias: (O,).
        """
        ...

    def run_layer(
        self, cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
    ) -> tuple[Tensor, State]:
        """Run one layer over a window of T steps.

        Args:
            cell: the recurrence.
            inputs: vectors (T, B, I), or ids (T, B) that stand for one-hot vectors of size I.
            state: before the first step, tensors (B, H).
            weights: the layer's weights.

        Returns:
            Outputs (T, B, H) and the state after the last step, tensors (B, H).
        """
        ...
