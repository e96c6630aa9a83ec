"""Reading the ids of a window: from the device if the whole text fits there, else from the host."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.machine.device import free_memory, to_device
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

    def of(self, streams: slice) -> "Starts":
        """The same for some of the streams only."""
        windows = self.windows if self.windows.ndim == 1 else self.windows[:, streams]
        return Starts(windows, self.streams[streams], self.step)

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
        return to_device(self.ids[positions].astype(np.int64), self.device)


class DeviceReader:
    """Copies all ids to the device once, so that no window waits for the host."""

    def __init__(self, ids: TokenIds, device: torch.device) -> None:
        # Torch can index tensors of uint8, but of no other unsigned type.
        narrow: type = np.uint8 if ids.dtype == np.uint8 else np.int32
        dtype = torch.uint8 if narrow is np.uint8 else torch.int32
        self.ids = torch.empty(len(ids), dtype=dtype, device=device)
        for start in range(0, len(ids), COPIED):  # A large text is never whole on the host.
            piece = torch.from_numpy(ids[start : start + COPIED].astype(narrow))
            self.ids[start : start + len(piece)].copy_(piece)
        self.steps = torch.empty(0, dtype=torch.int64, device=device)

    def load(self, starts: Starts) -> None:
        windows = starts.windows.astype(np.int64) * starts.step
        # (windows, 1) or (windows, B)
        self.windows = to_device(windows.reshape(len(windows), -1), self.ids.device)
        self.streams = to_device(starts.streams, self.ids.device)

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
