"""Reading the ids of a window: from the device if the whole text fits there, else from the host."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.machine.device import free_memory, to_device
from charlm.text.vocabulary import Ids

# Share of the device's free memory that ids may take, and bytes if the free memory is unknown.
SHARE = 0.25
UNKNOWN_MEMORY = 4 << 30
PIECE = 1 << 24  # ids that are copied to the device at a time

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
        return to_device(self.ids[positions].astype(np.int64), self.device)


class DeviceReader:
    """Copies all ids to the device once, so that no window waits for the host."""

    def __init__(self, ids: Ids, device: torch.device) -> None:
        # Torch can index tensors of uint8, but of no other unsigned type.
        narrow: type = np.uint8 if ids.dtype == np.uint8 else np.int32
        dtype = torch.uint8 if narrow is np.uint8 else torch.int32
        self.ids = torch.empty(len(ids), dtype=dtype, device=device)
        # By pieces, each of which is a copy: torch takes no array that cannot be written, such as a
        # memory map.
        for start in range(0, len(ids), PIECE):
            piece = torch.from_numpy(ids[start : start + PIECE].astype(narrow))
            self.ids[start : start + len(piece)].copy_(piece)
        self.steps = torch.empty(0, dtype=torch.int64, device=device)

    def load(self, starts: Starts) -> None:
        self.starts = to_device(starts, self.ids.device)

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
