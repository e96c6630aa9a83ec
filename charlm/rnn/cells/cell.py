"""What every recurrent cell offers."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

# Recurrent state: one tensor for rnn and gru, two for lstm.
State = tuple[Tensor, ...]


class Cell(ABC):
    """One time step of a recurrence, as an equation.

    A layer owns W (G·H, I), U (G·H, H), b (G·H) and c (G·H), torch's weight_ih, weight_hh, bias_ih
    and bias_hh, whose rows are the cell's G gates in the order of `gates`. Many texts write one
    bias where torch keeps two; only their sum matters, except in the GRU that resets after the
    product.

    Args:
        reset_after: which GRU (see charlm.rnn.cells.gru); the others ignore it.
    """

    name: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]]

    def __init__(self, reset_after: bool = True) -> None:
        self.reset_after = reset_after

    @abstractmethod
    def step(self, Wx: Tensor, state: State, U: Tensor, c: Tensor) -> State:
        """One step of time.

        Args:
            Wx: the input's share W x_t + b of every gate, (B, G·H).
            state: that of the step before, each (B, H).
            U: recurrent weights, (G·H, H).
            c: recurrent bias, (G·H).

        Returns:
            The new state, each (B, H); its first tensor is the layer's output h_t.
        """
