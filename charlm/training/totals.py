"""Running sums of a training run, kept on the device that computes.

To read a number from a GPU is to wait for all the work before it. So each step adds to a tensor
there, and the host reads it only where a report or an evaluation needs it.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from charlm.training.state import restore_tensor

# Places in `Totals.values`. The first two are summed since the last evaluation; the largest loss or
# gradient norm is not finite once one of them was not; the last is the loss of an item, a mean.
LOSS_SUM, NORM_SUM, LARGEST, EPOCH_LOSS_SUM, LAST_EPOCH = range(5)


class Sums(NamedTuple):
    """What has been added up since the last evaluation.

    Args:
        loss: over items.
        norm: of gradients, over steps.
        at: when these were read, in seconds of the trainer's clock.
    """

    steps: int
    items: int
    loss: float
    norm: float
    at: float


class Totals:
    """The sums of all steps.

    Attributes:
        values: all of them, to save and to restore.
    """

    def __init__(self, device: torch.device) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(5, dtype=exact, device=device)
        self.values[LAST_EPOCH] = math.nan

    def add(self, loss: Tensor, norm: Tensor, items: int) -> None:
        """Count a step: its mean loss per item, and its gradient's norm."""
        self.values[LOSS_SUM].add_(loss, alpha=items)
        self.values[NORM_SUM] += norm
        self.values[LARGEST] = torch.maximum(self.values[LARGEST], torch.maximum(loss, norm))
        self.values[EPOCH_LOSS_SUM].add_(loss, alpha=items)

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Put `values` back, saved as "totals".

        Raises:
            RunError: they are none that can be.
        """
        # NaN, which damage may bring, is right in one place: before the first epoch has ended.
        last = saved["totals"][LAST_EPOCH:]
        restore_tensor(self.values[:LAST_EPOCH], "totals", {"totals": saved["totals"][:LAST_EPOCH]})
        self.values[LAST_EPOCH:].copy_(last)

    def end_epoch(self, items: int) -> None:
        self.values[LAST_EPOCH] = self.values[EPOCH_LOSS_SUM] / items
        self.values[EPOCH_LOSS_SUM] = 0

    def start_after_evaluation(self) -> None:
        """Sum up from zero until the next evaluation."""
        self.values[[LOSS_SUM, NORM_SUM]] = 0

    def since_evaluation(self) -> tuple[float, float]:
        """The sums of losses over items, and of gradient norms over steps."""
        loss, norm = self.values[[LOSS_SUM, NORM_SUM]].tolist()
        return loss, norm

    @property
    def finite(self) -> bool:
        """Whether every loss and every gradient was."""
        return bool(self.values[LARGEST].isfinite())

    @property
    def last_epoch(self) -> float | None:
        """Mean loss per item of the last whole epoch."""
        last = float(self.values[LAST_EPOCH])
        return None if math.isnan(last) else last
