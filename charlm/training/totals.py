"""Running sums of a training run, kept on the training device.

Reading a number from a GPU waits for all the work queued before it. So each step adds to a tensor
on the device, and the host reads it only for a report or an evaluation.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from charlm.distributed.world import ALONE, World
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
    """Running sums on a device; of several processes each adds up its own share of the losses.

    Attributes:
        values: all of them in one tensor (5,).
    """

    def __init__(self, device: torch.device, world: World = ALONE) -> None:
        self.world = world
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(5, dtype=exact, device=device)
        self.values[LAST_EPOCH] = math.nan

    def add(self, loss: Tensor, norm: Tensor, items: float) -> None:
        """Add a step: its mean loss per item, its gradient norm, and its number of items.

        Args:
            items: of all that the norm belongs to, this process's share.
        """
        self.values[LOSS_SUM].add_(loss, alpha=items)
        self.values[NORM_SUM] += norm
        self.values[LARGEST] = torch.maximum(self.values[LARGEST], torch.maximum(loss, norm))
        self.values[EPOCH_LOSS_SUM].add_(loss, alpha=items)

    def whole(self) -> Tensor:
        """The values for all processes together, (5,). Called by all of them."""
        if self.world.size == 1:
            return self.values
        each = self.world.values(self.values)
        found = each.sum(0)
        found[NORM_SUM] = each[0, NORM_SUM]  # Everybody has the same.
        found[LARGEST] = each[:, LARGEST].amax()
        return found

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Restore what was `whole`, saved as "totals".

        Raises:
            RunError: they are damaged.
        """
        # LAST_EPOCH is NaN until an epoch has ended; anywhere else NaN means damage.
        last = saved["totals"][LAST_EPOCH:]
        restore_tensor(self.values[:LAST_EPOCH], "totals", {"totals": saved["totals"][:LAST_EPOCH]})
        self.values[LAST_EPOCH:].copy_(last)
        if not self.world.leads:
            # Sums of which the first process has all there was.
            self.values[[LOSS_SUM, EPOCH_LOSS_SUM]] = 0
            self.values[LAST_EPOCH] *= 0

    def end_epoch(self, items: int) -> None:
        """Turn the epoch's sum into its mean loss over so many items, and start the next sum."""
        self.values[LAST_EPOCH] = self.values[EPOCH_LOSS_SUM] / items
        self.values[EPOCH_LOSS_SUM] = 0

    def start_after_evaluation(self) -> None:
        """Reset the sums that are kept since the last evaluation."""
        self.values[[LOSS_SUM, NORM_SUM]] = 0

    def since_evaluation(self) -> tuple[float, float]:
        """The sum of losses over items, and of gradient norms over steps; waits for the device."""
        loss, norm = self.whole()[[LOSS_SUM, NORM_SUM]].tolist()
        return loss, norm

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient norm so far was finite."""
        return bool(self.whole()[LARGEST].isfinite())

    @property
    def last_epoch(self) -> float | None:
        """Mean loss per item of the last complete epoch; None if there was none."""
        last = float(self.whole()[LAST_EPOCH])
        return None if math.isnan(last) else last
