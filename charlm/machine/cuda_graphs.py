"""Functions that are recorded once as CUDA graphs and replayed without Python.

A small recurrent network consists of thousands of kernels of a few microseconds each, which Python
launches more slowly than the device runs them. A CUDA graph launches them all at once.
"""

import warnings
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

WARM_UP = 3  # calls before the recording
Result = TypeVar("Result")


class Recorder(Protocol):
    """Something that records and replays work, such as `CudaGraphs`."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do work that will be recorded later."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record work, not necessarily doing it, and return a function that replays it.

        Raises:
            RuntimeError: the work does something that cannot be recorded.
        """


class CapturedFunction(Generic[Result]):
    """A function of numbers and tensors that is recorded once and then replayed.

    It must get tensors of the same shapes in every call. It may change other tensors in place, but
    always the same ones. It may return tensors, which the next call overwrites, and values that
    depend on shapes alone. The first few calls are not recorded, so that libraries can choose their
    kernels. If recording fails, a warning is given and no call is recorded.
    """

    def __init__(
        self, function: Callable[..., Result], device: torch.device, recorder: Recorder
    ) -> None:
        self.function = function
        self.device = device
        self.recorder = recorder
        self.calls = 0
        self.inputs: tuple[Tensor, ...] = ()
        self.replay: Callable[[], None] | None = None
        self.result: Result

    def __call__(self, *inputs: float | Tensor) -> Result:
        if not self.inputs:
            self.inputs = tuple(
                torch.empty_like(each)
                if isinstance(each, Tensor)
                else torch.empty((), dtype=torch.float64, device=self.device)
                for each in inputs
            )
        for mine, given in zip(self.inputs, inputs, strict=True):
            # fill_ does not wait for the device.
            mine.copy_(given) if isinstance(given, Tensor) else mine.fill_(given)
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
                    f"No CUDA graph can be recorded ({str(error).splitlines()[0]}); "
                    "charlm goes on without.",
                    stacklevel=2,
                )
        self.replay()
        return self.result

    def _call(self) -> None:
        self.result = self.function(*self.inputs)


class CudaGraphs:
    """Records work as CUDA graphs, as torch's documentation recommends."""

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
