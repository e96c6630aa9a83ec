"""The speed of writing, and what reading the weights once a character would allow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charlm.bench.measure import Row, in_turns
from charlm.bench.textbook import TorchModel, prediction
from charlm.bench.training import GATES, VOCABULARY_SIZE
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.compiled import CompiledEngine
from charlm.generation.engines import Engine, NumpyEngine, TorchEngine
from charlm.generation.sampler import limited, sample_blocks
from charlm.model import LanguageModel

CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class GenerationRow(Row):
    """The speed of writing `batch_size` texts side by side; characters are those of all of them."""

    engine: str


def measure_generation(cell: str, hidden_size: int, rounds: int) -> list[GenerationRow]:
    """Each engine with one text and with many, after the tutorials' predict loop.

    The limit is a product with the recurrent weights for each character of all texts, by NumPy;
    `ratio_to_torch` is against the torch engine with one text.
    """
    config = ModelConfig(vocabulary_size=VOCABULARY_SIZE, cell=cell, hidden_size=hidden_size)
    model = LanguageModel(config)
    model.initialize("uniform", 0)
    weights = {name: each.numpy() for name, each in model.weights().items()}
    engines: dict[str, Engine] = {
        "compiled": CompiledEngine(config, weights),
        "numpy": NumpyEngine(config, weights),
        "torch": TorchEngine(model),
    }
    texts = {"compiled": (1, 16, 64, 256), "numpy": (1, 16, 64, 256), "torch": (1, 64)}
    calls: dict[tuple[str, int], Callable[[], None]] = {
        ("textbook", 1): prediction(TorchModel(cell, VOCABULARY_SIZE, hidden_size), CHARACTERS)
    }
    for number in texts["numpy"]:
        calls["limit", number] = matrix_vector(cell, hidden_size, number)
    for name, engine in engines.items():
        for number in texts[name]:
            calls[name, number] = writing(engine, number)
    keys = {f"{name} {number}": (name, number) for name, number in calls}
    timed = in_turns({key: calls[keys[key]] for key in keys}, rounds)
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
    """Draw CHARACTERS characters of each text."""

    def write() -> None:
        config = SamplingConfig(num_samples=texts)
        blocks = sample_blocks(engine, np.array([1], dtype=np.uint8), config, seed=0)
        for _ in limited(blocks, CHARACTERS):
            pass

    return write


def matrix_vector(cell: str, hidden_size: int, texts: int) -> Callable[[], None]:
    """The recurrent products of CHARACTERS characters, and nothing else."""
    U = np.ones((hidden_size, GATES[cell] * hidden_size), dtype=np.float32)
    h = np.ones((texts, hidden_size), dtype=np.float32)
    product = np.empty((texts, U.shape[1]), dtype=np.float32)

    def multiply() -> None:
        for _ in range(CHARACTERS):
            np.matmul(h, U, out=product)

    return multiply
