"""Speed of a training step, and the limit set by its matrix products."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from charlm.bench.measure import Row, in_turns
from charlm.bench.textbook import TextbookModel, TorchModel, training_step
from charlm.config import ModelConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.machine.device import choose_precision, matmul_precision, wait_for
from charlm.rnn.backends.choice import available_backends, multiply_at_peak
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training.optimization import DTYPES
from charlm.training.trainer import Trainer

VOCABULARY_SIZE = 28
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class TrainingRow(Row):
    """Speed of a training step."""

    backend: str


@dataclass(frozen=True)
class Shape:
    """Batch size, sequence length and hidden size of a measurement."""

    batch_size: int
    seq_length: int
    hidden_size: int


def precisions_of(device: torch.device) -> list[str]:
    """The precisions to measure: fp32, and what the device multiplies faster."""
    native = choose_precision("auto", device)
    # Whether bf16 pays off beside tf32 is for a measurement to say.
    found = ["fp32", native, *(["bf16"] if native == "tf32" else [])]
    return list(dict.fromkeys(found))


def measure_training(
    cell: str, shape: Shape, rounds: int, device: torch.device = CPU
) -> list[TrainingRow]:
    """Time the tutorials' loops, and every backend in every useful precision.

    All take the same step: one-hot input, one layer, SGD, clipping. The limit of a row is the time
    of the products that no implementation can avoid, in the same precision: a recurrent product for
    each step forward and back, the weight gradients, the output layer. On the CPU it is their
    number at the processor's peak; where nothing is compiled, and on a GPU, it is that of torch.mm.

    The tutorials' loops are in float32 on the CPU, and on CUDA in TF32 too, where they are compared
    with rows in the same precision; those in bf16 with what is fastest of them.
    """
    B, T, H = shape.batch_size, shape.seq_length, shape.hidden_size
    precisions = precisions_of(device)
    peers = [each for each in precisions if DTYPES[each] == torch.float32]
    windows = torch.randint(1, VOCABULARY_SIZE, (T + 1, B), device=device)
    calls: dict[str, Callable[[], None]] = {}
    for precision in peers:
        for name, kind in (("textbook", TextbookModel), ("torch", TorchModel)):
            step = training_step(
                kind(cell, VOCABULARY_SIZE, H).to(device), windows[:-1], windows[1:]
            )
            calls[f"{name} {precision}"] = in_precision(precision, step)
    for precision in precisions:
        limit = limit_of(cell, shape, precision, device)
        calls[f"limit {precision}"] = in_precision(precision, limit)
        calls |= {
            f"{backend} {precision}": charlm_step(cell, shape, backend, precision, device)
            for backend in available_backends(ModelConfig(cell=cell), device.type)
        }
    seconds = in_turns(calls, rounds, partial(wait_for, device))

    def row(name: str) -> TrainingRow:
        backend, precision = name.split()
        own, peer = seconds[name], precision if precision in peers else peers[-1]
        return TrainingRow(
            cell=cell,
            backend=backend,
            precision=precision,
            batch_size=B,
            seq_length=T,
            hidden_size=H,
            characters_per_second=B * T / own,
            ratio_to_textbook=seconds[f"textbook {peer}"] / own,
            ratio_to_torch=seconds[f"torch {peer}"] / own,
            share_of_limit=seconds[f"limit {precision}"] / own,
        )

    return [row(name) for name in calls]


def in_precision(precision: str, call: Callable[[], None]) -> Callable[[], None]:
    """A function that calls another with products of float32 on CUDA in a precision."""

    def called() -> None:
        with matmul_precision(precision):
            call()

    return called


def charlm_step(
    cell: str, shape: Shape, backend: str, precision: str, device: torch.device = CPU
) -> Callable[[], None]:
    """A function that takes charlm's whole training step, from loading data to the optimizer."""
    return charlm_trainer(cell, shape, backend, precision, device).step


def charlm_trainer(
    cell: str, shape: Shape, backend: str, precision: str, device: torch.device = CPU
) -> Trainer:
    """Make a trainer of a one-hot model on random characters."""
    B, T, H = shape.batch_size, shape.seq_length, shape.hidden_size
    config = ModelConfig(vocabulary_size=VOCABULARY_SIZE, cell=cell, hidden_size=H)
    train = TextTrainConfig(
        batch_size=B,
        seq_length=T,
        optimizer="sgd",
        learning_rate=1.0,
        precision=precision,
        max_steps=1_000_000,
    )
    model = LanguageModel(config, backend)
    model.initialize("normal", 0)
    model.to(device)
    text = np.random.default_rng(0).integers(1, VOCABULARY_SIZE, B * T * 20, dtype=np.uint8)
    return Trainer(LanguageModeling(model, text, text[:0], train), train)


def limit_of(
    cell: str, shape: Shape, precision: str, device: torch.device = CPU
) -> Callable[[], None]:
    """A function that takes as long as the products of a training step at the processor's peak.

    Where nothing is compiled, and on a GPU, torch.mm computes them.
    """
    B, T, H = shape.batch_size, shape.seq_length, shape.hidden_size
    numbers = 3 * B * T * H * (GATES[cell] * H + VOCABULARY_SIZE)
    peak = multiply_at_peak(numbers, precision) if device.type == "cpu" else None
    return peak or products(cell, shape, precision, device)


def products(
    cell: str, shape: Shape, precision: str, device: torch.device = CPU
) -> Callable[[], None]:
    """A function that computes the matrix products of a training step and nothing else."""
    B, T, H = shape.batch_size, shape.seq_length, shape.hidden_size
    G, V = GATES[cell], VOCABULARY_SIZE

    def matrix(*sizes: int) -> torch.Tensor:
        return torch.randn(*sizes).to(device, DTYPES[precision])

    U, Ut, Q, Qt = matrix(G * H, H), matrix(H, G * H), matrix(V, H), matrix(H, V)
    h, gates, rows, sums = matrix(B, H), matrix(B, G * H), matrix(T * B, H), matrix(T * B, G * H)
    logits = matrix(T * B, V)

    def multiply() -> None:
        for _ in range(T):
            torch.mm(h, Ut, out=gates)
            torch.mm(gates, U, out=h)
        torch.mm(sums.t(), rows)
        torch.mm(rows, Qt, out=logits)
        torch.mm(logits, Q)
        torch.mm(logits.t(), rows)
        # Otherwise h grows without bound.
        h.fill_(1.0)

    return multiply


def training_plan(quick: bool, device: torch.device = CPU) -> Iterator[tuple[str, Shape]]:
    """Cells and shapes to measure: d2l.ai's size for every cell, larger ones for GRU and LSTM."""
    for cell in ("gru",) if quick else ("gru", "lstm", "rnn"):
        yield cell, Shape(32, 35, 256)
    if device.type != "cpu":
        yield "gru", Shape(128, 128, 512)
        if not quick:
            yield "lstm", Shape(16, 64, 768)
            yield "lstm", Shape(128, 128, 1024)
    elif not quick:
        for batch_size in (16, 32, 64):
            yield "gru", Shape(batch_size, 64, 384)
        yield "gru", Shape(64, 64, 512)
        yield "lstm", Shape(16, 64, 512)
