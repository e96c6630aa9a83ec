"""Where tensors live, and what that place multiplies fast."""

from collections.abc import Callable

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


def wait_for(device: torch.device) -> None:
    """Until it has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def choose_precision(name: str, device: torch.device) -> str:
    """fp32, bf16 or fp16; "auto" is bf16 where the device multiplies it in hardware, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    if device.type == "cpu":
        # Not public in torch, and not in every version of it.
        asks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in BF16_INSTRUCTIONS)
        return "bf16" if any(ask is not None and ask() for ask in asks) else "fp32"
    return "fp32"
