"""A training step recorded once and replayed: on CUDA nothing of it is left to Python.

A small recurrent network's step is hundreds of kernels of a few microseconds each, which Python
launches more slowly than the device runs them. A CUDA graph launches them all at once.
"""

import warnings
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

WARM_UP = 3


class Recorder(Protocol):
    """Who records."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do some work that will be recorded later."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What replays the work, which need not be done while it is recorded.

        Raises:
            RuntimeError: the work does something that cannot be recorded.
        """


class Recording:
    """A function of a number and tensors, replayed from a recording of one call of it.

    The function is called with tensors of the same shapes each time, changes others in place, and
    returns what depends on shapes alone. The first few calls are done as they are, for libraries to
    choose their kernels; so is every call where recording fails, which is warned of.
    """

    def __init__(self, function: Callable[..., int], recorder: Recorder) -> None:
        self.function = function
        self.recorder = recorder
        self.calls = 0
        self.number = torch.empty(0)
        self.tensors: tuple[Tensor, ...] = ()
        self.replay: Callable[[], None] | None = None
        self.result = 0

    def __call__(self, number: float, *tensors: Tensor) -> int:
        if not self.tensors:
            self.number = torch.zeros((), device=tensors[0].device)
            self.tensors = tuple(torch.empty_like(each) for each in tensors)
        self.number.fill_(number)
        for mine, given in zip(self.tensors, tensors, strict=True):
            mine.copy_(given)
        self.calls += 1
        if self.calls <= WARM_UP:
            self.recorder.warm_up(self._call)
            return self.result
        if self.replay is None:
            try:
                self.replay = self.recorder.record(self._call)
            except RuntimeError as error:
                self.replay = self._call
                warnings.warn(
                    "The training step cannot be recorded as a CUDA graph "
                    f"({str(error).splitlines()[0]}); training goes on without.",
                    stacklevel=2,
                )
        self.replay()
        return self.result

    def _call(self) -> None:
        self.result = self.function(self.number, *self.tensors)


class CudaGraphs:
    """Records kernels as a CUDA graph, as torch's manual says."""

    def warm_up(self, work: Callable[[], None]) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            work()
        torch.cuda.current_stream().wait_stream(stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay
