"""Running totals of a run, kept where it computes."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from charlm.training.state import put_back

# Nats and gradient norms since the last evaluation, the largest loss or norm (not finite once one
# was not), the nats of this epoch, the nats per item of the last one.
NATS, NORM, WORST, EPOCH_NATS, LAST_EPOCH = range(5)


class Since(NamedTuple):
    """Sums since the last evaluation.

    Args:
        at: when, in seconds of the trainer's clock.
    """

    steps: int
    items: int
    nats: float
    norm: float
    at: float


class Totals:
    """Sums that no step has to wait for; only those who ask for them wait for the device.

    Attributes:
        values: all of them, to save and to restore.
    """

    def __init__(self, device: torch.device) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.zeros(5, dtype=exact, device=device)
        self.values[LAST_EPOCH] = math.nan

    def add(self, loss: Tensor, norm: Tensor, items: int) -> None:
        """Count a step: its nats per item, its gradient's norm."""
        self.values[NATS].add_(loss, alpha=items)
        self.values[NORM] += norm
        self.values[WORST] = torch.maximum(self.values[WORST], torch.maximum(loss, norm))
        self.values[EPOCH_NATS].add_(loss, alpha=items)

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Put `values` back, saved as "totals".

        Raises:
            RunError: they are none that can be.
        """
        # There is no last epoch before the first has ended.
        last = saved["totals"][LAST_EPOCH:]
        put_back(self.values[:LAST_EPOCH], "totals", {"totals": saved["totals"][:LAST_EPOCH]})
        self.values[LAST_EPOCH:].copy_(last)

    def end_epoch(self, items: int) -> None:
        self.values[LAST_EPOCH] = self.values[EPOCH_NATS] / items
        self.values[EPOCH_NATS] = 0

    def begin_anew(self) -> None:
        """An evaluation was made."""
        self.values[[NATS, NORM]] = 0

    def since_evaluation(self) -> tuple[float, float]:
        """Nats, and the sum of the gradients' norms."""
        nats, norm = self.values[[NATS, NORM]].tolist()
        return nats, norm

    @property
    def finite(self) -> bool:
        """Whether every loss and every gradient was."""
        return bool(self.values[WORST].isfinite())

    @property
    def last_epoch(self) -> float | None:
        """Nats per item of the last whole epoch."""
        last = float(self.values[LAST_EPOCH])
        return None if math.isnan(last) else last
