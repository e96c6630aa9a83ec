"""Devices, their memory, and the precisions in which they multiply."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.errors import UsageError, look_up

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")
DEVICES = dict.fromkeys(("auto", "cpu", "cuda", "mps"))


def choose_device(name: str = "auto") -> torch.device:
    """The device called cpu, cuda (or cuda:1) or mps; "auto" is the fastest kind there is.

    Raises:
        UsageError: there is no such device here.
    """
    kind = name.partition(":")[0]
    look_up(DEVICES, kind if kind != "auto" else name, "device")
    there: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]()))
    if not there[kind]():
        raise UsageError(f"There is no {kind} device here.", "Use --device cpu, or auto.")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"'{name}' is no device.", "Use cpu, cuda, cuda:1 or mps.") from None
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"There is no device {name} here.", "Use --device cuda, or auto.")
    return device


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Make products in float32 on CUDA exact within a block if the precision is "fp32".

    Otherwise they are in TF32, with ten bits of each factor instead of 23: in bf16 and fp16 too,
    where they are what autocast has left in float32. Torch's own default is TF32 for cuDNN's
    recurrent layers and float32 for every other product.
    """
    backends = torch.backends
    rounds = precision != "fp32"
    places: list[tuple[Any, str]]
    # From torch 2.9 on there is another switch, and the old one may not be mixed with it. Which of
    # them there is tells cuBLAS's: cudnn.rnn was also the name of a file of older versions.
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        places = [(each, "fp32_precision") for each in (backends.cuda.matmul, backends.cudnn.rnn)]
        wanted: Any = "tf32" if rounds else "ieee"
    else:
        places = [(each, "allow_tf32") for each in (backends.cuda.matmul, backends.cudnn)]
        wanted = rounds
    before = [getattr(*place) for place in places]
    for place in places:
        setattr(*place, wanted)
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(*place, value)


def to_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array as a tensor on a device, without waiting for a GPU.

    CUDA copies while the host goes on only from memory that is never moved to disk ("pinned").
    """
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def free_memory(device: torch.device) -> int | None:
    """Free memory of a CUDA device in bytes; None if unknown, as on other devices."""
    if device.type != "cuda":
        return None
    try:
        return int(torch.cuda.mem_get_info(device)[0])
    except (RuntimeError, AssertionError):
        return None


def forget_peak_memory(device: torch.device) -> None:
    """Begin to measure `peak_memory` of a device anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that tensors have taken on a GPU since `forget_peak_memory`.

    None where nobody counts: on other devices.
    """
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def choose_precision(name: str, device: torch.device, worthwhile: bool = True) -> str:
    """The precision by name; "auto" is one that the device multiplies in hardware, else fp32.

    That is tf32 on CUDA. There bf16 and fp16 do not concern torch's own recurrent layers, whose
    products are most of the work (`charlm.rnn.backends.builtin`), and nobody has measured yet that
    they pay off for the rest. On a CPU it is bf16.

    Args:
        name: a precision or "auto".
        device: where the model lives.
        worthwhile: whether the matrices are large enough for bf16 to pay off on the CPU.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "tf32" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    if device.type == "cpu" and worthwhile:
        # These functions are private, and missing from some versions of torch.
        asks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in BF16_INSTRUCTIONS)
        return "bf16" if any(ask is not None and ask() for ask in asks) else "fp32"
    return "fp32"
