"""Speed of charlm alone on the machine, beside a busy process, and beside another training."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from charlm.bench.training import CPU, VOCABULARY_SIZE, Shape, charlm_trainer
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.choice import cpu_engine
from charlm.generation.reading import read
from charlm.generation.sampler import sample_blocks
from charlm.language_model import LanguageModel
from charlm.machine.device import choose_precision
from charlm.machine.threads import tuned_threads
from charlm.scoring.exact import log_probabilities

SHAPE = Shape(32, 64, 384)
TEXTS = 64
SETTLING = 0.5  # warm-up, as a share of the measured time
TRAINING = (
    "from charlm.bench.neighbour import training\n"
    "with training('fp32') as step:\n"
    "    while True: step()"
)
# Python programs to run alongside, by their heading in the table.
NEIGHBOURS = {"alone": "", "beside a busy process": "while True: pass", "two at once": TRAINING}
# Does a unit of work and returns how many characters it was.
Work = Callable[[], int]


@dataclass(frozen=True)
class NeighbourRow:
    """Speed of one kind of work.

    Args:
        threads: "adapted" (as charlm chooses them) or "one".
        rates: characters per second, by the neighbour that ran alongside.
    """

    work: str
    threads: str
    rates: dict[str, float]


def measure_beside_neighbours(seconds: float) -> Iterator[NeighbourRow]:
    """Measure training, scoring and writing.

    Args:
        seconds: measured for each rate.
    """
    native = choose_precision("auto", CPU)
    works: dict[str, Callable[[], AbstractContextManager[Work]]] = {
        f"training, {precision}": partial(training, precision)
        for precision in dict.fromkeys(("fp32", native))
    }
    works |= {"scoring": scoring, f"writing {TEXTS} texts": writing}
    for name, work in works.items():
        for threads in ("adapted", "one"):
            rates = {}
            for neighbour, program in NEIGHBOURS.items():
                with running(program), limited(threads == "one"), work() as work_once:
                    seconds_per_character(work_once, SETTLING * seconds)
                    rates[neighbour] = 1 / seconds_per_character(work_once, seconds)
            yield NeighbourRow(name, threads, rates)


def seconds_per_character(work_once: Work, seconds: float) -> float:
    """Seconds per character, measured by repeating `work_once` for `seconds` seconds."""
    started, characters = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        characters += work_once()
    return (time.perf_counter() - started) / characters


@contextmanager
def running(program: str) -> Iterator[None]:
    """Run a Python program in another process within the block; an empty one runs nothing."""
    process = subprocess.Popen([sys.executable, "-c", program]) if program else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


@contextmanager
def limited(to_one: bool) -> Iterator[None]:
    """Let torch use only one thread within the block, if `to_one`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if to_one else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def training(precision: str) -> Iterator[Work]:
    """Yield a function that takes a training step."""
    with tuned_threads() as tuner:
        trainer = charlm_trainer("gru", SHAPE, "auto", precision)
        trainer.tuner = tuner

        def work_once() -> int:
            trainer.step()
            return SHAPE.batch_size * SHAPE.seq_length

        yield work_once


def model() -> LanguageModel:
    """Make an untrained model."""
    config = ModelConfig(vocabulary_size=VOCABULARY_SIZE, hidden_size=SHAPE.hidden_size)
    language_model = LanguageModel(config)
    language_model.initialize("uniform", 0)
    return language_model


@contextmanager
def scoring() -> Iterator[Work]:
    """Yield a function that scores the next piece of a text."""
    ids = np.random.default_rng(0).integers(1, VOCABULARY_SIZE, 50_000_000, dtype=np.uint8)
    with closing(log_probabilities(model(), ids)) as pieces:
        yield lambda: len(next(pieces))


@contextmanager
def writing() -> Iterator[Work]:
    """Yield a function that writes the next block of characters of TEXTS texts."""
    language_model = model()
    weights = {name: each.numpy() for name, each in language_model.weights().items()}
    sampling = SamplingConfig(num_samples=TEXTS, length=1_000_000)
    engine = cpu_engine(language_model.config, weights, sampling)
    if hasattr(engine, "cores"):
        engine.cores = min(engine.cores, torch.get_num_threads())
    beginning = read(engine, [np.array([1], dtype=np.uint8)])
    blocks = sample_blocks(engine, beginning, sampling, seed=0)
    yield lambda: next(blocks).size
