"""The processes that train together, of which there is mostly one."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from charlm.errors import CharlmError, SettingError

if TYPE_CHECKING:  # The command line's help imports this, and no such package.
    import numpy.typing as npt
    from torch import Tensor, nn

# In which variable the launcher counts how often it has started all processes again.
ATTEMPT = "TORCHELASTIC_RESTART_COUNT"
Loss = TypeVar("Loss", bound=Callable[..., Any])


class LostProcessError(CharlmError):
    """Another process of a training has ended, or does not answer."""


class Share(NamedTuple):
    """Those of some sequences side by side that one process computes.

    Args:
        total: sequences of all processes.
        rows: which of them are this process's: every N-th, so that long and short ones are spread.
        counts: False if there are fewer sequences than processes, and none for this one. It
            computes the first one nevertheless, so that it takes part in every exchange and draws
            the same random numbers, and what it computes counts for nothing.
    """

    total: int
    rows: slice
    counts: bool = True

    @property
    def size(self) -> int:
        """How many sequences this process computes."""
        return len(range(*self.rows.indices(self.total)))

    def part(self, mine: float, whole: float) -> float:
        """This process's part of a sum: `mine` of `whole`, or 0."""
        return mine / whole if self.counts else 0.0


class World:
    """One process alone. `Several` (`several.py`) is more of them.

    Methods that are said to be for all are called by all processes, in the same order.

    Attributes:
        rank: number of this process, from 0. The first one leads: it alone writes and speaks.
        size: how many processes there are.
    """

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    @property
    def is_orphaned(self) -> bool:
        """Whether the launcher is gone, so that nobody would end this process if another hangs."""
        return False

    def clock(self) -> float:
        """Seconds; of several processes the time that `any` last agreed on."""
        return time.monotonic()

    def any(self, wanted: bool) -> bool:
        """Whether one process or more want something. For all."""
        return wanted

    def barrier(self) -> None:
        """Wait for one another, and agree on the time. For all."""
        self.any(False)

    def use_own_device(self, device: str) -> None:
        """Make the GPU of this process's number on its machine the current one.

        Args:
            device: name of the kind of device on which to train.

        Raises:
            UsageError: there is none for it, or the device is for one process only.
        """

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """A block that the first process has done before the others begin it. For all."""
        yield

    def tell(self, value: Any) -> Any:
        """The first process's value, which JSON can hold. For all."""
        return value

    def share(self, total: int) -> Share:
        """Of so many sequences side by side those that this process computes."""
        mine = slice(self.rank, None, self.size)
        return Share(total, mine) if self.rank < total else Share(total, slice(0, 1), counts=False)

    def is_mine(self, number: int) -> bool:
        """Whether of pieces of work, numbered from 0, this process does this one."""
        return number % self.size == self.rank

    def check_batch(self, batch_size: int) -> None:
        """Raise SettingError if a batch has no sequence for some process."""
        if batch_size < self.size:
            problem = f"is {batch_size}, and {self.size} processes need a sequence each."
            raise SettingError("batch_size", f"{problem} Give a larger one, or fewer --processes.")

    def values(self, tensor: "Tensor") -> "Tensor":
        """A tensor of the same shape from each process, stacked, (N, …). For all."""
        return tensor[None]

    def all_rows(self, mine: "Tensor", total: int) -> "Tensor":
        """The sequences (L, B, H) of all processes in order, from each one's share. For all."""
        return mine

    def add(self, array: "npt.NDArray[Any]") -> "npt.NDArray[Any]":
        """The sum of everybody's array.

        It is exact where each process has filled its part, and left zeros elsewhere. For all.
        """
        return array

    def send_weights(self, model: "nn.Module") -> None:
        """Give all processes the first one's weights. For all."""

    def averaged(self, model: "nn.Module", loss: Loss) -> Loss:
        """The function `loss`, whose gradients are averaged over all processes. For all."""
        return loss

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Turn torch's errors about a lost connection within the block into LostProcessError."""
        yield

    def fails_first(self) -> bool:
        """Whether no other process has failed before, so that this one says why."""
        return True


ALONE = World()


def is_restarted() -> bool:
    """Whether a launcher started this process again, after one of the training's had failed."""
    return os.environ.get(ATTEMPT, "0") not in ("", "0")
