"""Devices, and the precisions in which they multiply."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

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
    """Make products in float32 on CUDA exact within a block, unless precision is "tf32".

    By default cuDNN multiplies in TF32, with ten bits of each factor instead of 23.
    """
    backends = torch.backends
    places: list[tuple[Any, str]]
    if hasattr(backends.cudnn, "rnn"):
        places = [(each, "fp32_precision") for each in (backends.cuda.matmul, backends.cudnn.rnn)]
        wanted: Any = "tf32" if precision == "tf32" else "ieee"
    else:  # before torch 2.9
        places = [(each, "allow_tf32") for each in (backends.cuda.matmul, backends.cudnn)]
        wanted = precision == "tf32"
    before = [getattr(*place) for place in places]
    for place in places:
        setattr(*place, wanted)
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(*place, value)


def free_memory(device: torch.device) -> int | None:
    """Free memory of a CUDA device in bytes; None if unknown."""
    try:
        return int(torch.cuda.mem_get_info(device)[0])
    except (RuntimeError, AssertionError):
        return None


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def choose_precision(name: str, device: torch.device, worthwhile: bool = True) -> str:
    """The precision by name; "auto" is bf16 where the device multiplies it in hardware, else fp32.

    Args:
        name: a precision or "auto".
        device: where the model lives.
        worthwhile: whether the matrices are large enough for bf16 to pay off on the CPU.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    if device.type == "cpu" and worthwhile:
        # These functions are private, and missing from some versions of torch.
        asks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in BF16_INSTRUCTIONS)
        return "bf16" if any(ask is not None and ask() for ask in asks) else "fp32"
    return "fp32"
