"""Speed of generation, and the limit set by reading the weights once per character."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from charlm.bench.measure import Row, in_turns
from charlm.bench.textbook import TorchModel, prediction
from charlm.bench.training import CPU, GATES, VOCABULARY_SIZE, in_precision
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.choice import cpu_engine
from charlm.generation.engine import BlockEngine, Engine
from charlm.generation.numpy_engine import NumpyEngine
from charlm.generation.reading import read
from charlm.generation.sampler import limited, sample_blocks
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.machine.device import wait_for

CHARACTERS = 500
# So long that `cpu_engine` chooses compiled code, if there is any.
LONG_TEXT = SamplingConfig(length=1_000_000)


@dataclass(frozen=True, kw_only=True)
class GenerationRow(Row):
    """Speed of generating `batch_size` texts side by side, in characters of all of them."""

    engine: str


def measure_generation(
    cell: str, hidden_size: int, rounds: int, device: torch.device = CPU
) -> list[GenerationRow]:
    """Time the tutorials' prediction loop, and each engine with one text and with many.

    The limit is one product with the recurrent weights per character, for all texts at once (with
    NumPy on the CPU). `ratio_to_torch` compares with the torch engine on one text. All products are
    exact, also on CUDA.
    """
    config = ModelConfig(vocabulary_size=VOCABULARY_SIZE, cell=cell, hidden_size=hidden_size)
    model = LanguageModel(config)
    model.initialize("uniform", 0)
    engines: dict[str, Engine] = {}
    if device.type == "cpu":
        weights = {name: each.numpy() for name, each in model.weights().items()}
        engines = {"numpy": NumpyEngine(config, weights)}
        fastest = cpu_engine(config, weights, LONG_TEXT)
        if isinstance(fastest, BlockEngine):
            engines = {"compiled": fastest, **engines}
        texts = {**dict.fromkeys(engines, (1, 16, 64, 256)), "torch": (1, 64)}
    else:
        texts = {"torch": (1, 64, 1024)}
    engines["torch"] = TorchEngine(model.to(device))
    textbook = TorchModel(cell, VOCABULARY_SIZE, hidden_size).to(device)
    calls: dict[tuple[str, int], Callable[[], None]] = {
        ("textbook", 1): in_precision("fp32", prediction(textbook, CHARACTERS))
    }
    for number in sorted({each for numbers in texts.values() for each in numbers}):
        limit = matrix_vector(cell, hidden_size, number, device)
        calls["limit", number] = in_precision("fp32", limit)
    for name, engine in engines.items():
        for number in texts[name]:
            calls[name, number] = writing(engine, number)
    keys = {f"{name} {number}": (name, number) for name, number in calls}
    timed = in_turns({key: calls[keys[key]] for key in keys}, rounds, partial(wait_for, device))
    seconds = {keys[key]: value for key, value in timed.items()}
    rates = {key: CHARACTERS * key[1] / value for key, value in seconds.items()}
    return [
        GenerationRow(
            cell=cell,
            engine=name,
            precision="fp32",
            batch_size=number,
            seq_length=1,
            hidden_size=hidden_size,
            characters_per_second=rate,
            ratio_to_textbook=rate / rates["textbook", 1],
            ratio_to_torch=rate / rates["torch", 1],
            share_of_limit=seconds["limit", number] / seconds[name, number],
        )
        for (name, number), rate in rates.items()
    ]


def writing(engine: Engine, texts: int) -> Callable[[], None]:
    """A function that draws CHARACTERS characters of each text."""

    def write() -> None:
        config = SamplingConfig(num_samples=texts)
        beginning = read(engine, [np.array([1], dtype=np.uint8)])
        blocks = sample_blocks(engine, beginning, config, seed=0)
        for _ in limited(blocks, CHARACTERS):
            pass

    return write


def matrix_vector(
    cell: str, hidden_size: int, texts: int, device: torch.device = CPU
) -> Callable[[], None]:
    """A function that computes the recurrent products of CHARACTERS characters and nothing else."""
    h, U, product = (
        torch.ones(texts, hidden_size, device=device),
        torch.ones(hidden_size, GATES[cell] * hidden_size, device=device),
        torch.empty(texts, GATES[cell] * hidden_size, device=device),
    )
    multiply = partial(torch.mm, h, U, out=product)
    if device.type == "cpu":
        multiply = partial(np.matmul, h.numpy(), U.numpy(), out=product.numpy())

    def multiply_all() -> None:
        for _ in range(CHARACTERS):
            multiply()

    return multiply_all
