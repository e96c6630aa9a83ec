"""What a trainer is handed: windows, losses and scores, whatever they are of."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from charlm.rnn.cells import State
from charlm.scoring.score import Score


def never() -> bool:
    """The `should_stop` of whoever never stops."""
    return False


class WindowLoss(NamedTuple):
    """What a window comes to.

    Args:
        loss: mean over the items.
        state: recurrent, after the window.
        items: how many were predicted.
        penalty: what training minimizes on top, and no report tells of.
    """

    loss: Tensor
    state: State
    items: int
    penalty: Tensor | None = None


class TrainingTask(Protocol):
    """What is trained: a model, its batches, its loss, its score.

    An item is what a loss is a mean over, such as a character or a text.

    Attributes:
        items_per_step: of a window of the usual length, for which the learning rate is meant.
        worst_loss: mean loss in training beyond which nothing is being learned any more.
    """

    items_per_step: int
    worst_loss: float

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    def load_epoch(self, epoch: int) -> int:
        """Lay out an epoch; returns its number of steps."""

    def initial_state(self) -> State:
        """Recurrent state before an epoch's first window."""

    def batch(self, window: int) -> tuple[Tensor, ...]:
        """A window of the epoch, as the tensors that `loss` reads."""

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        """The loss of a window, given the recurrent state after the one before.

        It depends on the tensors' values, which are never looked at from here: on CUDA what is done
        with them is recorded once and replayed for every other window of the same shape.
        """

    def evaluate(self, should_stop: Callable[[], bool]) -> Score | None:
        """Score of what is held out, by a model in evaluation mode; None once asked to stop."""

    @property
    def holds_out(self) -> bool:
        """Whether there is anything to evaluate on."""
