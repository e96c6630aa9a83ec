"""Where tensors live, and what that place multiplies fast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from charlm.errors import UsageError, look_up

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")
DEVICES = dict.fromkeys(("auto", "cpu", "cuda", "mps"))


def choose_device(name: str = "auto") -> torch.device:
    """The device called auto, cpu, cuda (or cuda:1) or mps.

    Raises:
        UsageError: there is none of this kind here.
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
    """Products of float32 numbers on CUDA are exact meanwhile, but for precision "tf32".

    Left to itself, cuDNN multiplies them in TF32, with ten bits of each factor instead of 23.
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
    """Bytes that are free on a CUDA device; None where nobody knows."""
    try:
        return int(torch.cuda.mem_get_info(device)[0])
    except (RuntimeError, AssertionError):
        return None


def wait_for(device: torch.device) -> None:
    """Until it has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def choose_precision(name: str, device: torch.device, worthwhile: bool = True) -> str:
    """The precision by name; auto is bf16 where the device multiplies it in hardware, else fp32.

    Args:
        worthwhile: whether what is multiplied is large enough for that to count on the CPU.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    if device.type == "cpu" and worthwhile:
        # Not public in torch, and not in every version of it.
        asks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in BF16_INSTRUCTIONS)
        return "bf16" if any(ask is not None and ask() for ask in asks) else "fp32"
    return "fp32"
