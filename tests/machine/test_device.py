"""Choosing a device and a precision."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_cuda import install

from charlm.errors import UsageError
from charlm.machine.device import (
    choose_device,
    choose_precision,
    forget_peak_memory,
    free_memory,
    matmul_precision,
    peak_memory,
    to_device,
)


@pytest.fixture
def cuda_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two CUDA devices, as far as questions go."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def only_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("only_cpu")
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_device() == choose_device("auto") == torch.device("cpu")


@pytest.mark.usefixtures("cuda_here")
def test_auto_is_cuda_where_there_is_one() -> None:
    assert choose_device("auto") == torch.device("cuda")


def test_auto_is_mps_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")
    assert choose_device("mps") == torch.device("mps")


@pytest.mark.usefixtures("cuda_here")
def test_a_device_can_be_named_with_its_number() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="no device cuda:2"):
        choose_device("cuda:2")


@pytest.mark.usefixtures("only_cpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="There is no") as caught:
        choose_device(name)
    assert "--device cpu" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["", "gpu", "cud", "CPU", "auto:1", ":", "cpu:x", "cpu:-1", "cpu:1:1", "meta", "cpu "]
)
def test_what_is_no_device_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(UsageError):
        choose_device(name)


def test_a_slip_of_the_pen_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Did you mean 'cuda'"):
        choose_device("cud")


@pytest.mark.parametrize("name", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_precision_given_by_name_is_taken(name: str, device: str) -> None:
    assert choose_precision(name, torch.device(device)) == name


@pytest.mark.parametrize(
    ("capability", "chosen"), [((7, 5), "fp32"), ((8, 0), "tf32"), ((9, 0), "tf32")]
)
def test_auto_asks_a_gpu_for_its_generation(
    capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    for worthwhile in (True, False):
        assert choose_precision("auto", torch.device("cuda"), worthwhile) == chosen


def test_auto_asks_a_processor_for_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    bf16, amx = "_is_avx512_bf16_supported", "_is_amx_tile_supported"
    cpu = torch.device("cpu")
    for has_bf16, has_amx in [(False, False), (True, False), (False, True)]:
        monkeypatch.setattr(torch.cpu, bf16, lambda has=has_bf16: has, raising=False)
        monkeypatch.setattr(torch.cpu, amx, lambda has=has_amx: has, raising=False)
        wanted = "bf16" if has_bf16 or has_amx else "fp32"
        assert choose_precision("auto", cpu) == wanted
        assert choose_precision("auto", cpu, worthwhile=False) == "fp32"
    # A torch that cannot be asked gets the safe answer.
    for name in (bf16, amx):
        monkeypatch.delattr(torch.cpu, name)
    assert choose_precision("auto", cpu) == "fp32"


def test_auto_is_fp32_on_other_devices() -> None:
    assert choose_precision("auto", torch.device("mps")) == "fp32"


def switches() -> list[str]:
    """How torch multiplies float32 on CUDA, in products and in recurrent layers."""
    backends = torch.backends
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        return [backends.cuda.matmul.fp32_precision, backends.cudnn.rnn.fp32_precision]
    rounded = (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32)
    return ["tf32" if each else "ieee" for each in rounded]


EXACT, ROUNDED = ["ieee"] * 2, ["tf32"] * 2


def test_only_fp32_is_exact_and_torch_is_left_as_it_was() -> None:
    before = switches()
    wanted = {"fp32": EXACT, "tf32": ROUNDED, "bf16": ROUNDED, "fp16": ROUNDED}
    for outer, inner in [("fp32", "tf32"), ("tf32", "fp32"), ("bf16", "fp32"), ("fp16", "tf32")]:
        with matmul_precision(outer):
            assert switches() == wanted[outer]
            with pytest.raises(KeyError), matmul_precision(inner):
                assert switches() == wanted[inner]
                raise KeyError
            assert switches() == wanted[outer]
    assert switches() == before


def test_torchs_own_switches_can_still_be_read_afterwards() -> None:
    """The old ones raise an error once the new ones say something else than they did."""
    with matmul_precision("tf32"):
        pass
    assert torch.backends.cuda.matmul.allow_tf32 is False
    assert torch.backends.cudnn.allow_tf32 is True
    assert torch.get_float32_matmul_precision() == "highest"


class Old:
    """A switch of torch before 2.9, which has no other attributes to set."""

    __slots__ = ("allow_tf32", "rnn")

    def __init__(self, allow_tf32: bool) -> None:
        self.allow_tf32 = allow_tf32


@pytest.mark.parametrize("has_run_a_layer", [False, True])
def test_before_torch_2_9_the_old_switches_are_set(
    has_run_a_layer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, cudnn.rnn is a file that torch's own layers import when they first run."""
    matmul, cudnn = Old(False), Old(True)
    if has_run_a_layer:
        cudnn.rnn = SimpleNamespace()
    cuda = SimpleNamespace(matmul=matmul)
    monkeypatch.setattr(torch, "backends", SimpleNamespace(cuda=cuda, cudnn=cudnn))
    for precision, rounded in [("fp32", False), ("tf32", True), ("bf16", True)]:
        with matmul_precision(precision):
            assert (matmul.allow_tf32, cudnn.allow_tf32) == (rounded, rounded)
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, True)


def test_a_copy_to_a_gpu_is_from_pinned_memory_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[object] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        steps.append("pinned")
        return tensor

    def to(tensor: torch.Tensor, *where: object, **how: object) -> torch.Tensor:
        steps.append((*where, how))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    device = torch.device("cuda", 1)
    assert to_device(np.arange(3), device).tolist() == [0, 1, 2]
    assert steps == ["pinned", (device, {"non_blocking": True})]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_other_devices_get_copies_of_any_array(device: str) -> None:
    array = np.arange(12).reshape(3, 4).T
    array.setflags(write=False)
    there = to_device(array, torch.device(device))
    assert (there.device.type, tuple(there.shape)) == (device, (4, 3))
    if device == "cpu":
        np.testing.assert_array_equal(there.numpy(), array)


@pytest.mark.parametrize("device", ["cpu", "mps", "meta"])
def test_nobody_knows_the_memory_of_other_devices(device: str) -> None:
    assert free_memory(torch.device(device)) is None
    forget_peak_memory(torch.device(device))
    assert peak_memory(torch.device(device)) is None


def test_the_peak_is_that_of_the_device_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = install(monkeypatch)
    second = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000 + device.index)
    forget_peak_memory(second)
    assert cuda.asked == [("reset_peak_memory_stats", second)]
    assert peak_memory(second) == 1001
