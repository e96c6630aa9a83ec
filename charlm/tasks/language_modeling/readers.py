"""Reading the ids of a window: from the device if the whole text fits there, else from the host."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.machine.device import free_memory
from charlm.text.mapped_ids import TokenIds

# Share of the device's free memory that ids may take, and bytes if the free memory is unknown.
SHARE = 0.25
UNKNOWN_MEMORY = 4 << 30

COPIED = 1 << 24  # ids at a time


class Starts:
    """Position of the first id in each window and stream, window by window.

    That is `step` times the window's own numbers, and those of the streams: kept apart, since for a
    text of gigabytes all positions would take as much memory as a text of a tenth of it.

    Args:
        windows: (windows,), or (windows, B).
        streams: (B,).
    """

    def __init__(
        self,
        windows: npt.NDArray[np.integer[Any]],
        streams: npt.NDArray[np.int64],
        step: int = 1,
    ) -> None:
        self.windows = windows
        self.streams = streams
        self.step = step

    def __getitem__(self, window: int) -> npt.NDArray[np.int64]:
        """Of one window, (B,)."""
        found: npt.NDArray[np.int64] = (
            self.windows[window].astype(np.int64) * self.step + self.streams
        )
        return found


class IdReader(Protocol):
    """Reads windows of a text onto a device."""

    def load(self, starts: Starts) -> None:
        """Prepare for an epoch."""

    def read(self, window: int, length: int) -> Tensor:
        """Ids of a window, (length, B), int64, on the device."""


class HostReader:
    """Leaves the ids on the host, perhaps in a memory map, and copies each window."""

    def __init__(self, ids: TokenIds, device: torch.device) -> None:
        self.ids = ids
        self.device = device

    def load(self, starts: Starts) -> None:
        self.starts = starts

    def read(self, window: int, length: int) -> Tensor:
        positions = self.starts[window] + np.arange(length)[:, None]
        return torch.from_numpy(self.ids[positions].astype(np.int64)).to(self.device)


class DeviceReader:
    """Copies all ids to the device once, so that no window waits for the host."""

    def __init__(self, ids: TokenIds, device: torch.device) -> None:
        # Torch can index tensors of uint8, but of no other unsigned type.
        narrow = np.uint8 if ids.dtype == np.uint8 else np.int32
        kind = torch.uint8 if ids.dtype == np.uint8 else torch.int32
        self.ids = torch.empty(len(ids), dtype=kind, device=device)
        for start in range(0, len(ids), COPIED):  # A large text is never whole on the host.
            part = ids[start : start + COPIED].astype(narrow)
            self.ids[start : start + len(part)] = torch.from_numpy(part)
        self.steps = torch.empty(0, dtype=torch.int64, device=device)

    def load(self, starts: Starts) -> None:
        device = self.ids.device
        windows = starts.windows.astype(np.int64) * starts.step
        # (windows, 1) or (windows, B)
        self.windows = torch.from_numpy(windows.reshape(len(windows), -1)).to(device)
        self.streams = torch.from_numpy(starts.streams).to(device)

    def read(self, window: int, length: int) -> Tensor:
        if length > len(self.steps):
            self.steps = torch.arange(length, device=self.ids.device)
        return self.ids[self.windows[window] + self.streams + self.steps[:length, None]].long()


def make_reader(ids: TokenIds, device: torch.device) -> IdReader:
    """Choose the reader for a device and a text of this size."""
    if device.type == "cpu":
        return HostReader(ids, device)
    free = free_memory(device)
    room = UNKNOWN_MEMORY if free is None else free * SHARE
    size = len(ids) * (1 if ids.dtype == np.uint8 else 4)
    return DeviceReader(ids, device) if size <= room else HostReader(ids, device)
