"""Texts and ids as tests draw them, after a prefix of ids."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from charlm.config import SamplingConfig
from charlm.generation import sampler, texts
from charlm.generation.engine import Array, Engine
from charlm.generation.reading import read
from charlm.generation.steering import Steering
from charlm.text.vocabulary import Ids, Vocabulary

VOCABULARY = Vocabulary("abcdefg", [1] * 7)
V = len(VOCABULARY)


class Chaotic:
    """Logits that depend on all that was read, in whole numbers, so that nothing is rounded."""

    table = np.random.default_rng(0).normal(0, 2, (101, V))

    def __init__(self) -> None:
        self.read: list[list[int]] = []

    def initial_state(self, texts: int) -> Any:
        return np.ones(texts, dtype=np.int64)

    def step(self, ids: Any, state: Any) -> Any:
        self.read.append(ids.tolist())
        state = (state * 31 + ids) % 101
        return self.table[state], state

    def select(self, state: Any, texts: Any) -> Any:
        return state[texts]

    def join(self, states: Any) -> Any:
        return np.concatenate(states)


def stream_text(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[str]:
    """The first of several texts."""
    return next(stream_texts(engine, vocabulary, prefix, config))


def stream_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[Iterator[str]]:
    """The pieces of several texts."""
    return texts.write_texts(engine, vocabulary, read(engine, [prefix]), config)


def sample_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> list[str]:
    """Several texts."""
    return texts.sample_texts(engine, vocabulary, read(engine, [prefix]), config)


def sample_blocks(engine: Any, prefix: Ids, config: SamplingConfig, seed: int) -> Iterator[Array]:
    """The next ids of N texts in blocks (n, N), endlessly."""
    return sampler.sample_blocks(engine, read(engine, [prefix]), config, seed)


def sample_ids(
    engine: Any,
    prefix: Ids,
    config: SamplingConfig,
    seed: int,
    steering: tuple[Steering, ...] = (),
) -> Iterator[Array]:
    """The next id of each of N texts, (N,), endlessly."""
    beginning = read(engine, [prefix])
    return chain.from_iterable(sampler.sample_blocks(engine, beginning, config, seed, steering))
