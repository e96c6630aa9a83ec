"""Speed beside other work: alone on the machine, beside a busy program, beside another training."""

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
from charlm.generation.sampler import sample_blocks
from charlm.language_model import LanguageModel
from charlm.machine.device import choose_precision
from charlm.machine.threads import tuned_threads
from charlm.scoring.exact import log_probabilities

SHAPE = Shape(32, 64, 384)
TEXTS = 64
SETTLING = 0.5  # of the time that is measured goes before it
TRAINING = (
    "from charlm.bench.neighbour import training\n"
    "with training('fp32') as step:\n"
    "    while True: step()"
)
# What runs beside, by what the table calls it.
NEIGHBOURS = {"alone": "", "beside a busy process": "while True: pass", "two at once": TRAINING}
Work = Callable[[], int]


@dataclass(frozen=True)
class NeighbourRow:
    """Characters a second of some work, by what ran beside it.

    Args:
        threads: "adapted": as charlm chooses them; "one": a single one.
    """

    work: str
    threads: str
    rates: dict[str, float]


def measure_beside_neighbours(seconds: float) -> Iterator[NeighbourRow]:
    """Training, scoring and writing; each figure is measured over so many seconds."""
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
    """Seconds that a character takes, while units of work are done for so long."""
    started, characters = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        characters += work_once()
    return (time.perf_counter() - started) / characters


@contextmanager
def running(program: str) -> Iterator[None]:
    """Another process runs this Python program meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", program]) if program else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


@contextmanager
def limited(to_one: bool) -> Iterator[None]:
    """One thread computes meanwhile, or however many torch has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if to_one else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def training(precision: str) -> Iterator[Work]:
    """A training step."""
    with tuned_threads() as tuner:
        trainer = charlm_trainer("gru", SHAPE, "auto", precision)
        trainer.tuner = tuner

        def work_once() -> int:
            trainer.step()
            return SHAPE.batch_size * SHAPE.seq_length

        yield work_once


def model() -> LanguageModel:
    config = ModelConfig(vocabulary_size=VOCABULARY_SIZE, hidden_size=SHAPE.hidden_size)
    made = LanguageModel(config)
    made.initialize("uniform", 0)
    return made


@contextmanager
def scoring() -> Iterator[Work]:
    """A piece of a text."""
    ids = np.random.default_rng(0).integers(1, VOCABULARY_SIZE, 50_000_000, dtype=np.uint8)
    with closing(log_probabilities(model(), ids)) as pieces:
        yield lambda: len(next(pieces))


@contextmanager
def writing() -> Iterator[Work]:
    """A block of characters of each text."""
    made = model()
    weights = {name: each.numpy() for name, each in made.weights().items()}
    sampling = SamplingConfig(num_samples=TEXTS, length=1_000_000)
    engine = cpu_engine(made.config, weights, sampling)
    if hasattr(engine, "cores"):
        engine.cores = min(engine.cores, torch.get_num_threads())
    blocks = sample_blocks(engine, np.array([1], dtype=np.uint8), sampling, seed=0)
    yield lambda: next(blocks).size
