"""Which backend computes a model, and in which precision."""

import math

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
# As `charlm bench` measures on the CPU.
# Units of an lstm from which on the fused backend is faster than oneDNN's lstm, by precision:
LARGE_LSTM = {"bf16": 384, "fp16": 768, "fp32": 768, "tf32": 768}
# Numbers of U from which on products in bfloat16 pay, with fused windows in bfloat16 or without:
WORTH_BFLOAT16 = {True: 12_000, False: 150_000}


def choose_backend(
    config: ModelConfig, backend: str = "auto", device: str = "cpu", precision: str = "fp32"
) -> str:
    """The backend's name; "auto" is the fastest one that has the cell.

    Args:
        device: cpu, cuda or mps, where the model will live.
        precision: what it will multiply in.

    Raises:
        UsageError: there is no such backend, or it lacks the cell in this variant.
    """
    if fused is not None:
        fused.check_choice()
    cell, able = make_cell(config), available_backends(config, device)
    if backend == "auto":
        order = ("builtin", "fused") if builtin_wins(cell, precision) else ("fused", "builtin")
        return next(name for name in (*order, "scratch") if name in able)
    look_up(BACKENDS, backend, "backend")
    if backend not in able:
        wanted = f"{cell.name} {cell.variant}".strip()
        where = "" if device == "cpu" else f" on {device}"
        raise UsageError(
            f"The {backend} backend has no {wanted}{where} here.",
            f"Use --backend {able[0]}, or auto.",
        )
    return backend


def available_backends(config: ModelConfig, device: str) -> list[str]:
    """Those that have the cell in this variant, on this kind of device."""
    cell = make_cell(config)
    return [
        name
        for name, each in BACKENDS.items()
        if each.supports(cell) and (name != "fused" or device == "cpu")
    ]


def builtin_wins(cell: Cell, precision: str) -> bool:
    """Whether torch's kernels are faster than fused ones on the CPU.

    Torch hands the lstm, alone, to oneDNN as a whole, which is faster for a small one in a narrow
    type, unless fused windows are computed in bfloat16, or if torch's threads cannot be shared.
    """
    H = cell.config.hidden_size
    if fused is None or not fused.supports(cell):
        return True
    if cell.name != "lstm" or LARGE_LSTM[precision] <= H:
        return False
    narrow = precision == "fp16" or (precision == "bf16" and not windows_in_bfloat16(cell))
    return narrow or not fused.shares_threads()


def windows_in_bfloat16(cell: Cell) -> bool:
    """Whether fused windows of this cell are computed in bfloat16 here."""
    return fused is not None and fused.has_bfloat16(cell, cell.config.hidden_size)


def choose_precision_and_backend(
    config: ModelConfig, device: torch.device, precision: str = "auto", backend: str = "auto"
) -> tuple[str, str]:
    """The precision that the model is trained in on a device, and the backend's name.

    Raises:
        UsageError: as of `choose_backend`.
    """
    if fused is not None:
        fused.check_choice()
    cell = make_cell(config)
    windows = device.type == "cpu" and backend in ("auto", "fused") and windows_in_bfloat16(cell)
    numbers = math.prod(cell.weight_shapes(1, config.hidden_size).get("U", (0,)))
    # A cell that multiplies by no U at every step gains from the type of its other products.
    worthwhile = not 0 < numbers < WORTH_BFLOAT16[windows]
    precision = choose_precision(precision, device, worthwhile)
    return precision, choose_backend(config, backend, device.type, precision)
