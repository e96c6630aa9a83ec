"""Functions that are recorded once as CUDA graphs and replayed without Python.

A small recurrent network consists of thousands of kernels of a few microseconds each, which Python
launches more slowly than the device runs them. A CUDA graph launches them all at once.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, Protocol, TypeVar

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
    """Records work as CUDA graphs, on a stream of its own device.

    `torch.cuda.graph` would record on a stream of whichever device was current when the process
    recorded its first graph, and leaves that stream and the random generator in capture if the work
    cannot be recorded, so that nothing could be computed afterwards.

    Args:
        device: where the work's tensors are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, work: Callable[[], None]) -> None:
        with torch.cuda.device(self.device):
            current = torch.cuda.current_stream(self.device)
            self.stream.wait_stream(current)
            with torch.cuda.stream(self.stream):
                work()
            current.wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        with torch.cuda.device(self.device), generator_kept(self.device):
            graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
            # What is cached now cannot be used by the graph, which has a pool of memory of its own.
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
            with torch.cuda.stream(self.stream):
                try:
                    graph.capture_begin(pool=pool)
                    work()
                except BaseException:
                    # Ending it fails too, which is no news.
                    with suppress(RuntimeError):
                        end_capture(graph, self.device, pool)
                    raise
                end_capture(graph, self.device, pool)
        return graph.replay


def end_capture(graph: torch.cuda.CUDAGraph, device: torch.device, pool: Any) -> None:
    """End a capture.

    Raises:
        RuntimeError: something was done during it that cannot be recorded.
    """
    try:
        graph.capture_end()
    except RuntimeError:
        end_allocation(device, pool)
        raise


def end_allocation(device: torch.device, pool: Any) -> None:
    """Tell torch's allocator that a graph takes no more memory, if it has not been told.

    Torch does not say so if a capture fails. It would then never again give memory back to the
    device. The function is private, and has another name in older versions.
    """
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")
    for end in (getattr(torch._C, name, None) for name in names):
        if end is not None:
            with suppress(RuntimeError, TypeError):
                end(device.index, pool)
            return


@contextmanager
def generator_kept(device: torch.device) -> Iterator[None]:
    """If a block fails, give a device's random generator the state that it had before.

    It counts its numbers differently while a graph is recorded. In some versions of torch it goes
    on so if the recording fails, and the next number that is drawn is an error.
    """
    generator = torch.cuda.default_generators[device.index]
    before = generator.clone_state()
    try:
        yield
    except BaseException:
        generator.graphsafe_set_state(before)
        raise
