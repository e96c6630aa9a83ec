"""Running sums of a training run, kept on the training device.

Reading a number from a GPU waits for all the work queued before it. So each step adds to a tensor
on the device, and the host reads it only for a report or an evaluation.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from charlm.training.state import restore_tensor

# Indices into `Totals.values`. The first two are summed since the last evaluation. LARGEST, over
# all losses and gradient norms, is not finite once one of them was not. LAST_EPOCH is the mean loss
# per item of the last complete epoch.
LOSS_SUM, NORM_SUM, LARGEST, EPOCH_LOSS_SUM, LAST_EPOCH = range(5)


class Sums(NamedTuple):
    """Sums since the last evaluation, as read at some moment.

    Args:
        loss: sum of the losses of all items.
        norm: sum of the gradient norms of all steps.
        at: when they were read, in seconds of the trainer's clock.
    """

    steps: int
    items: int
    loss: float
    norm: float
    at: float


class Totals:
    """Running sums on a device.

    Attributes:
        values: all of them in one tensor (5,), to save and restore.
    """

    def __init__(self, device: torch.device) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(5, dtype=exact, device=device)
        self.values[LAST_EPOCH] = math.nan

    def add(self, loss: Tensor, norm: Tensor, items: int) -> None:
        """Add a step: its mean loss per item, its gradient norm, and its number of items."""
        self.values[LOSS_SUM].add_(loss, alpha=items)
        self.values[NORM_SUM] += norm
        self.values[LARGEST] = torch.maximum(self.values[LARGEST], torch.maximum(loss, norm))
        self.values[EPOCH_LOSS_SUM].add_(loss, alpha=items)

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Restore `values`, saved as "totals".

        Raises:
            RunError: they are damaged.
        """
        # LAST_EPOCH is NaN until an epoch has ended; anywhere else NaN means damage.
        last = saved["totals"][LAST_EPOCH:]
        restore_tensor(self.values[:LAST_EPOCH], "totals", {"totals": saved["totals"][:LAST_EPOCH]})
        self.values[LAST_EPOCH:].copy_(last)

    def end_epoch(self, items: int) -> None:
        """Turn the epoch's sum into its mean loss over so many items, and start the next sum."""
        self.values[LAST_EPOCH] = self.values[EPOCH_LOSS_SUM] / items
        self.values[EPOCH_LOSS_SUM] = 0

    def start_after_evaluation(self) -> None:
        """Reset the sums that are kept since the last evaluation."""
        self.values[[LOSS_SUM, NORM_SUM]] = 0

    def since_evaluation(self) -> tuple[float, float]:
        """The sum of losses over items, and of gradient norms over steps; waits for the device."""
        loss, norm = self.values[[LOSS_SUM, NORM_SUM]].tolist()
        return loss, norm

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient norm so far was finite."""
        return bool(self.values[LARGEST].isfinite())

    @property
    def last_epoch(self) -> float | None:
        """Mean loss per item of the last complete epoch; None if there was none."""
        last = float(self.values[LAST_EPOCH])
        return None if math.isnan(last) else last
