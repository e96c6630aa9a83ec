"""Recording on a CUDA device that is not there: where, and what a failure leaves behind."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from fake_cuda import FakeCuda, install

from charlm.machine.cuda_graphs import WARM_UP, CapturedFunction, CudaGraphs

SECOND = torch.device("cuda", 1)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return install(monkeypatch)


@pytest.mark.parametrize("device", [torch.device("cuda", 0), SECOND])
def test_work_is_recorded_on_its_own_device_and_stream(
    device: torch.device, cuda: FakeCuda
) -> None:
    recorder, seen = CudaGraphs(device), []

    def work() -> None:
        seen.append((cuda.device_index, cuda.current_stream()))

    recorder.warm_up(work)
    replay = recorder.record(work)
    replay()
    number = device.index
    assert seen == [(number, recorder.stream)] * 2
    assert recorder.stream.device == device
    assert cuda.captured_on == [(number, number)]
    # Before and after, the work's stream and the device's own wait for one another.
    default = cuda.defaults[number]
    assert recorder.stream.waited_for == [default] and default.waited_for == [recorder.stream]
    assert cuda.asked == [("synchronize", device), ("empty_cache", None)]
    assert cuda.device_index == 0 and cuda.streams == cuda.defaults
    assert not cuda.open_pools


def test_two_devices_do_not_share_a_stream(cuda: FakeCuda) -> None:
    for device in (torch.device("cuda", 0), SECOND):
        CudaGraphs(device).record(lambda: None)
    assert cuda.captured_on == [(0, 0), (1, 1)]


def spoil_and_say_so(cuda: FakeCuda) -> None:
    cuda.not_while_recording()


def spoil_in_silence(cuda: FakeCuda) -> None:
    cuda.invalid = True


def fail_without_spoiling(cuda: FakeCuda) -> None:
    if cuda.graph is not None:
        raise RuntimeError("no kernel for this")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (spoil_and_say_so, "operation not permitted when stream is capturing"),
        (spoil_in_silence, "operation failed due to a previous error during capture"),
        (fail_without_spoiling, "no kernel for this"),
    ],
)
def test_after_a_failed_recording_training_goes_on_as_if_nothing_had_been_recorded(
    failure: Callable[[FakeCuda], None], said: str, cuda: FakeCuda
) -> None:
    generator = cuda.default_generators[1]
    where = []

    def work(number: torch.Tensor) -> int:
        generator.draw()
        failure(cuda)
        where.append((cuda.device_index, cuda.current_stream()))
        return len(where)

    recording = CapturedFunction(work, torch.device("cpu"), CudaGraphs(SECOND))
    for _ in range(WARM_UP):
        recording(0.5)
    with pytest.warns(UserWarning, match=f"{said}.; charlm goes on without"):
        recording(0.5)
    recording(0.5)
    # Five calls, five draws, the last two where the caller is.
    assert (generator.drawn, generator.capturing) == (WARM_UP + 2, False)
    assert where[-2:] == [(0, cuda.defaults[0])] * 2
    assert cuda.streams == cuda.defaults and cuda.device_index == 0
    assert cuda.graph is None and not cuda.open_pools
    # Another recording is possible afterwards.
    CudaGraphs(SECOND).record(lambda: None)()


def test_an_interruption_while_recording_leaves_nothing_behind(cuda: FakeCuda) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CudaGraphs(SECOND).record(work)
    assert not cuda.default_generators[1].capturing
    assert cuda.streams == cuda.defaults and not cuda.open_pools


def test_torchs_own_way_would_not_do(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced here: on the second device it records on the first, and failing it stays."""
    monkeypatch.setattr(torch.cuda.graph, "default_capture_stream", None)
    # It imports torch's compiler, which takes seconds.
    config = SimpleNamespace(force_cudagraph_gc=False)
    monkeypatch.setattr(torch, "compiler", SimpleNamespace(config=config))
    for number in (0, 1):
        with torch.cuda.device(number), torch.cuda.graph(torch.cuda.CUDAGraph()):
            pass
    assert cuda.captured_on == [(0, 0), (0, 0)]
    with pytest.raises(RuntimeError), torch.cuda.graph(torch.cuda.CUDAGraph()):
        cuda.not_while_recording()
    assert cuda.default_generators[0].capturing
    assert cuda.streams != cuda.defaults
