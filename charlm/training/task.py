"""What a trainer is handed: windows, losses and scores, whatever they are of."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from charlm.metrics import Score
from charlm.rnn.cells import State


def never() -> bool:
    return False


class Task(Protocol):
    """What is trained: a model, its batches, its loss, its score."""

    items_per_step: int

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    def load_epoch(self, epoch: int) -> int:
        """Lay out an epoch; returns its number of steps."""

    def initial_state(self) -> State:
        """Recurrent state before an epoch's first window."""

    def loss(self, window: int, state: State) -> tuple[Tensor, State]:
        """Mean nats per item of a window of the epoch, and the recurrent state after it."""

    def evaluate(self, should_stop: Callable[[], bool]) -> Score | None:
        """Score of what is held out; None once `should_stop` says yes."""

    @property
    def holds_out(self) -> bool:
        """Whether there is anything to evaluate on."""
