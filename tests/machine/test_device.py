"""Choosing a device and a precision."""

import pytest
import torch

from charlm.errors import UsageError
from charlm.machine.device import choose_device, choose_precision, matmul_precision


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
    ("capability", "chosen"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")]
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


def test_products_are_exact_unless_tf32_is_asked_for_and_torch_is_left_as_it_was() -> None:
    matmul = torch.backends.cuda.matmul

    def rounds() -> bool | str:
        return getattr(matmul, "fp32_precision", None) or matmul.allow_tf32

    def exact() -> bool:
        return rounds() in ("ieee", False)

    before = rounds()
    for outer, inner in [("fp32", "tf32"), ("tf32", "bf16"), ("tf32", "fp16")]:
        with matmul_precision(outer):
            assert exact() is (outer != "tf32")
            with pytest.raises(KeyError), matmul_precision(inner):
                assert exact() is (inner != "tf32")
                raise KeyError
            assert exact() is (outer != "tf32")
    assert rounds() == before
