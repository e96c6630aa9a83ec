"""The choice of a model's backend and precision."""

import math
from collections.abc import Callable

import torch

from charlm.config import ModelConfig
from charlm.errors import UsageError, look_up
from charlm.machine.device import choose_precision
from charlm.rnn.backends import builtin, scratch
from charlm.rnn.backends.backend import Backend
from charlm.rnn.cells import Cell, make_cell

try:
    from charlm.rnn.backends import fused
except ImportError:  # the folder charlm/kernels is gone
    fused = None  # type: ignore[assignment]

BACKENDS: dict[str, Backend] = {"scratch": scratch, "builtin": builtin}
if fused is not None:
    BACKENDS["fused"] = fused
# Thresholds, measured on the CPU with `charlm bench`.
# Hidden sizes from which the fused lstm is faster than oneDNN's, by precision:
LARGE_LSTM = {"bf16": 384, "fp16": 768, "fp32": 768, "tf32": 768}
# Elements of U from which bfloat16 is faster than float32. Key: whether the fused backend computes
# whole windows in bfloat16.
WORTH_BFLOAT16 = {True: 12_000, False: 150_000}


def choose_backend(
    config: ModelConfig, backend: str = "auto", device: str = "cpu", precision: str = "fp32"
) -> str:
    """The name of the backend to use.

    Args:
        config: the model's configuration.
        backend: its name, or "auto" for the fastest one that has the cell.
        device: where the model will live: cpu, cuda or mps.
        precision: the type in which it will multiply: bf16, fp16, fp32 or tf32.

    Raises:
        UsageError: there is no such backend, it lacks the cell in this variant, or CHARLM_KERNELS
            has an unknown value.
    """
    cell, supported = make_cell(config), available_backends(config, device)
    if backend == "auto":
        order = ("builtin", "fused") if builtin_wins(cell, precision) else ("fused", "builtin")
        return next(name for name in (*order, "scratch") if name in supported)
    look_up(BACKENDS, backend, "backend")
    if backend not in supported:
        wanted = f"{cell.name} {cell.variant}".strip()
        where = "" if device == "cpu" else f" on {device}"
        raise UsageError(
            f"The {backend} backend has no {wanted}{where} here.",
            f"Use --backend {supported[0]}, or auto.",
        )
    return backend


def available_backends(config: ModelConfig, device: str) -> list[str]:
    """Names of the backends that have the cell in this variant, on this type of device.

    Raises:
        UsageError: the environment variable CHARLM_KERNELS has an unknown value.
    """
    cell = make_cell(config)
    return [
        name
        for name, each in BACKENDS.items()
        if each.supports(cell) and (name != "fused" or device == "cpu")
    ]


def multiply_at_peak(products: int, precision: str) -> Callable[[], None] | None:
    """A function that multiplies so many numbers in the CPU's registers, and nothing else.

    None where nothing is compiled, or has products in this precision.

    Raises:
        UsageError: the environment variable CHARLM_KERNELS has an unknown value.
    """
    if fused is None or precision not in ("fp32", "bf16"):
        return None
    return fused.multiply_at_peak(products, precision == "bf16")


def builtin_wins(cell: Cell, precision: str) -> bool:
    """Whether torch's kernels are faster than the fused ones on the CPU, or the only ones.

    Of the cells that both have, only a small lstm can be faster, which torch runs as one oneDNN
    operation: in fp16, in bf16 unless the fused backend computes its windows in bfloat16, and in
    any precision where compiled code cannot use torch's threads.
    """
    H = cell.config.hidden_size
    if fused is None or not fused.supports(cell):
        return True
    if cell.name != "lstm" or LARGE_LSTM[precision] <= H:
        return False
    narrow = precision == "fp16" or (precision == "bf16" and not windows_in_bfloat16(cell))
    return narrow or not fused.shares_threads()


def windows_in_bfloat16(cell: Cell) -> bool:
    """Whether the fused backend computes windows of this cell in bfloat16 on this machine."""
    return fused is not None and fused.has_bfloat16(cell, cell.config.hidden_size)


def choose_precision_and_backend(
    config: ModelConfig, device: torch.device, precision: str = "auto", backend: str = "auto"
) -> tuple[str, str]:
    """The precision in which to train a model on a device, and the name of its backend.

    Raises:
        UsageError: there is no such backend, it lacks the cell in this variant, or CHARLM_KERNELS
            has an unknown value.
    """
    cell = make_cell(config)
    windows = device.type == "cpu" and backend in ("auto", "fused") and windows_in_bfloat16(cell)
    numbers = math.prod(cell.weight_shapes(1, config.hidden_size).get("U", (0,)))
    # A cell without U always gains: all of its products are over whole windows.
    worthwhile = not 0 < numbers < WORTH_BFLOAT16[windows]
    precision = choose_precision(precision, device, worthwhile)
    return precision, choose_backend(config, backend, device.type, precision)
