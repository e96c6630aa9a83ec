"""The face that all backends share."""

from typing import Protocol

from torch import Tensor

from charlm.rnn.cells import Cell, LayerWeights, State


class Backend(Protocol):
    """A module that runs layers: `charlm.rnn.backends.scratch` and its faster equals.

    Attributes:
        LOOKS_UP: ids are looked up in a table of input projections, not made into vectors.
    """

    LOOKS_UP: bool

    def supports(self, cell: Cell) -> bool:
        """Whether it has the cell in this variant."""
        ...

    def run_layer(
        self, cell: Cell, inputs: Tensor, state: State, weights: LayerWeights
    ) -> tuple[Tensor, State]:
        """Outputs (T, B, H) and the state after the last step, each (B, H).

        Args:
            inputs: vectors (T, B, I), or ids (T, B) that stand for one-hot vectors of size I.
            state: before the first step, each (B, H).
        """
        ...
