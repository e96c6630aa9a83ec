"""The interface between the trainer and what it trains: windows, losses and scores."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from charlm.rnn.cells import State
from charlm.scoring.score import Score


def never() -> bool:
    """Return False: a `should_stop` that lets training run to its end."""
    return False


class WindowLoss(NamedTuple):
    """The result of the forward pass over one window.

    Args:
        loss: mean over the items, a scalar.
        state: recurrent state after the window.
        items: number of items predicted, by all processes.
        penalty: regularization term that is minimized along with the loss but not reported.
        share: this process's share of the window's loss: where several processes divide a window
            among them, the window's loss is the sum of everybody's `loss` times `share`. Of the
            penalty each has its part, and the window's is their sum.
    """

    loss: Tensor
    state: State
    items: int
    penalty: Tensor | None = None
    share: float = 1.0


class TrainingTask(Protocol):
    """What a `Trainer` trains: a model, its batches, its loss and its held-out score.

    An item is what losses are averaged over, such as a character or a text.

    Attributes:
        items_per_step: items in a window of the usual length, for which the learning rate is meant.
        same_shapes: all windows have tensors of the same shapes, so that on CUDA a step can be
            recorded once and replayed.
        worst_loss: mean training loss beyond which training counts as diverged.
    """

    items_per_step: int
    same_shapes: bool
    worst_loss: float

    @property
    def model(self) -> nn.Module:
        """The module whose parameters are trained."""

    def load_epoch(self, epoch: int) -> int:
        """Prepare an epoch (from 0) and return its number of windows."""

    def initial_state(self) -> State:
        """Recurrent state before the first window of an epoch, of this process's sequences."""

    def batch(self, window: int) -> tuple[Tensor, ...]:
        """One window of the epoch, as the tensors that `loss` takes: this process's share of it."""

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        """The loss of a window, given the recurrent state after the previous one.

        It must not read tensor values on the host (`.item()`, branches on data): on CUDA its
        kernels are recorded once and replayed for all windows of the same shape.
        """

    def evaluate(self, should_stop: Callable[[], bool]) -> Score | None:
        """Score the held-out data; None if told to stop. The model is in evaluation mode."""

    @property
    def holds_out(self) -> bool:
        """Whether there are held-out data to evaluate on."""
