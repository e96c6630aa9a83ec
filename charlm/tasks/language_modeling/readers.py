"""Reading the ids of a window: from the device if the whole text fits there, else from the host."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.machine.device import free_memory
from charlm.text.vocabulary import Ids

# Share of the device's free memory that ids may take, and bytes if the free memory is unknown.
SHARE = 0.25
UNKNOWN_MEMORY = 4 << 30

Starts = npt.NDArray[np.int64]


class IdReader(Protocol):
    """Reads windows of a text onto a device."""

    def load(self, starts: Starts) -> None:
        """Prepare for an epoch.

        Args:
            starts: position of the first id in each window and stream, (windows, B).
        """

    def read(self, window: int, length: int) -> Tensor:
        """Ids of a window, (length, B), int64, on the device."""


class HostReader:
    """Leaves the ids on the host, perhaps in a memory map, and copies each window."""

    def __init__(self, ids: Ids, device: torch.device) -> None:
        self.ids = ids
        self.device = device

    def load(self, starts: Starts) -> None:
        self.starts = starts

    def read(self, window: int, length: int) -> Tensor:
        positions = self.starts[window] + np.arange(length)[:, None]
        return torch.from_numpy(self.ids[positions].astype(np.int64)).to(self.device)


class DeviceReader:
    """Copies all ids to the device once, so that no window waits for the host."""

    def __init__(self, ids: Ids, device: torch.device) -> None:
        # Torch can index tensors of uint8, but of no other unsigned type.
        narrow = ids if ids.dtype == np.uint8 else ids.astype(np.int32)
        self.ids = torch.from_numpy(np.ascontiguousarray(narrow)).to(device)
        self.steps = torch.empty(0, dtype=torch.int64, device=device)

    def load(self, starts: Starts) -> None:
        self.starts = torch.from_numpy(starts).to(self.ids.device)

    def read(self, window: int, length: int) -> Tensor:
        if length > len(self.steps):
            self.steps = torch.arange(length, device=self.ids.device)
        return self.ids[self.starts[window] + self.steps[:length, None]].long()


def make_reader(ids: Ids, device: torch.device) -> IdReader:
    """Choose the reader for a device and a text of this size."""
    if device.type == "cpu":
        return HostReader(ids, device)
    free = free_memory(device)
    room = UNKNOWN_MEMORY if free is None else free * SHARE
    size = len(ids) * (1 if ids.dtype == np.uint8 else 4)
    return DeviceReader(ids, device) if size <= room else HostReader(ids, device)
