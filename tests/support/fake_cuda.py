"""Devices that are not there: torch's functions about CUDA, which note what they are asked for.

What it does about streams, captures and generators is what torch's own sources do, as far as
charlm depends on it: a failed capture says so when it ends, and its generator stays in it.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch


class OnCuda(torch.Tensor):
    """A tensor on the CPU that says it was on a CUDA device, and so does what is made of it."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda", 1)

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


class FakeStream:
    def __init__(self, device: Any = None) -> None:
        self.device = torch.device("cuda", FakeCuda.here.index(device))
        self.waited_for: list[FakeStream] = []

    def wait_stream(self, other: "FakeStream") -> None:
        self.waited_for.append(other)


class FakeGenerator:
    """A device's random generator: it counts what it draws, elsewhere while a graph is recorded."""

    def __init__(self, drawn: int = 0) -> None:
        self.drawn, self.capturing = drawn, False

    def clone_state(self) -> "FakeGenerator":
        return FakeGenerator(self.drawn)

    def graphsafe_set_state(self, other: "FakeGenerator") -> None:
        self.drawn, self.capturing = other.drawn, other.capturing

    def draw(self) -> None:
        if self.capturing is not (FakeCuda.here.graph is not None):
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")
        self.drawn += 0 if self.capturing else 1


class FakeGraph:
    def __init__(self) -> None:
        self.work: Callable[[], None] | None = None
        self.replays = 0

    def capture_begin(self, pool: Any = None, **other: Any) -> None:
        cuda = FakeCuda.here
        stream = cuda.current_stream()
        assert stream is not cuda.defaults[cuda.device_index], "captured on the default stream"
        cuda.captured_on.append((cuda.device_index, stream.device.index))
        cuda.inference.append(torch.is_inference_mode_enabled())
        cuda.graph, cuda.invalid = self, False
        cuda.default_generators[cuda.device_index].capturing = True
        cuda.open_pools.add(pool)
        self.pool_of_it = pool

    def capture_end(self) -> None:
        cuda = FakeCuda.here
        cuda.graph = None
        if cuda.invalid:
            raise RuntimeError("operation failed due to a previous error during capture")
        cuda.open_pools.discard(self.pool_of_it)
        cuda.default_generators[cuda.device_index].capturing = False

    def replay(self) -> None:
        self.replays += 1


class FakeCuda:
    """What takes the place of torch's functions, and what they were asked for.

    Attributes:
        captured_on: of each capture the current device, and that of its stream.
        inference: whether each began in inference mode.
        open_pools: pools of memory of captures that have not ended.
        asked: calls of other functions, by name.
    """

    here: "FakeCuda"

    def __init__(self, devices: int = 2) -> None:
        FakeCuda.here = self
        self.device_index = 0
        self.defaults: list[FakeStream] = []
        self.default_generators = tuple(FakeGenerator() for _ in range(devices))
        self.defaults = [FakeStream(number) for number in range(devices)]
        self.streams = list(self.defaults)
        self.captured_on: list[tuple[int, int]] = []
        self.inference: list[bool] = []
        self.graph: FakeGraph | None = None
        self.invalid = False
        self.open_pools: set[Any] = set()
        self.asked: list[tuple[str, Any]] = []
        self.pools = 0

    def index(self, device: Any) -> int:
        if device is None:
            return self.device_index
        number = device if isinstance(device, int) else torch.device(device).index
        return self.device_index if number is None else number

    def current_stream(self, device: Any = None) -> FakeStream:
        return self.streams[self.index(device)]

    def device(self, device: Any) -> "Entered":
        return Entered(self.index(device))

    def stream(self, stream: FakeStream) -> "Entered":
        return Entered(stream.device.index, stream)

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    def end_pool(self, device: int, pool: Any) -> None:
        self.open_pools.discard(pool)

    def note(self, name: str) -> Callable[..., None]:
        return lambda *about: self.asked.append((name, about[0] if about else None))

    def not_while_recording(self) -> None:
        """What cannot be recorded, such as reading a value: an error that spoils the recording."""
        if self.graph is not None:
            self.invalid = True
            raise RuntimeError("operation not permitted when stream is capturing")


class Entered:
    """A block in which a device, and a stream of it, are the current ones.

    No generator: that would leave its block when it is collected, though nobody has left it.
    """

    def __init__(self, number: int, stream: FakeStream | None = None) -> None:
        self.number, self.stream = number, stream

    def __enter__(self) -> None:
        cuda = FakeCuda.here
        self.before = cuda.device_index, cuda.streams[self.number]
        cuda.device_index = self.number
        if self.stream is not None:
            cuda.streams[self.number] = self.stream

    def __exit__(self, *_: object) -> None:
        FakeCuda.here.device_index, FakeCuda.here.streams[self.number] = self.before


def install(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """Put it in the place of torch's functions, for one test."""
    cuda = FakeCuda()
    for name in ("default_generators", "current_stream", "device", "stream", "graph_pool_handle"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    for name in ("synchronize", "empty_cache", "manual_seed", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, cuda.note(name))
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", cuda.end_pool, raising=False)
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
    return cuda
