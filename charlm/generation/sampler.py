"""The sampling loop."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import numpy as np

from charlm.config import SamplingConfig
from charlm.generation.engine import Array, BlockEngine, Engine
from charlm.generation.filters import NotFiniteError, distribution
from charlm.generation.reading import Beginning
from charlm.generation.steering import Steering, begin_all, change_all, follow_all, steered
from charlm.progress import ProgressCallback, ignore_progress
from charlm.seeds import Stream, generator
from charlm.text.vocabulary import UNKNOWN_ID

# Draws per call: the first character appears at once, and later blocks still seem to flow.
BLOCKS = (1, 3, 12, 48, 64)


def sample_blocks(
    engine: Engine,
    beginning: Beginning,
    config: SamplingConfig,
    seed: int,
    steering: Sequence[Steering] = (),
) -> Iterator[Array]:
    """Yield the next ids of N texts, endlessly, in blocks (n, N); n > 1 if the engine has blocks.

    N is `config.num_samples` for each beginning, one beginning after the other. Text i of each
    draws from a random stream of its own, so it is the same however many texts and beginnings
    there are.

    Args:
        engine: computes the logits.
        beginning: what was read before.
        config: says how many texts and how to draw.
        seed: determines the random streams.
        steering: what `steering_of` makes of `config`.

    Raises:
        NotFiniteError: the model's logits are not finite.
    """
    texts = config.num_samples
    beginning = beginning.select(engine, np.arange(len(beginning)).repeat(texts))
    logits, state = beginning.logits, beginning.state
    memories = begin_all(steering, beginning.contexts)
    streams = [generator(seed, Stream.SAMPLING, index) for index in range(texts)]
    blocks = engine if isinstance(engine, BlockEngine) and not steered(config) else None
    for size in chain(BLOCKS, repeat(BLOCKS[-1])):
        draws = np.stack([stream.random(size) for stream in streams], axis=1)
        draws = np.tile(draws, len(beginning) // texts)
        if blocks:
            ids, logits, state = blocks.generate_block(logits, state, draws, config.temperature)
            if np.count_nonzero(ids == UNKNOWN_ID):
                raise NotFiniteError
            yield ids
            continue
        for row in draws:
            ids = draw(distribution(change_all(steering, logits, memories), config), row)
            yield ids[None]
            memories = follow_all(steering, memories, ids)
            logits, state = engine.step(ids, state)


def limited(
    blocks: Iterator[Array], length: int, report: ProgressCallback = ignore_progress
) -> Iterator[Array]:
    """Yield blocks (n, N) until each text has `length` ids.

    Args:
        report: called with the ids of each text that are drawn, and `length`.
    """
    left = length
    while left:
        block = next(blocks)[:left]
        left -= len(block)
        yield block
        report(length - left, length)


def draw(probabilities: Array, draws: Array) -> Array:
    """Draw ids (N,) by inverting the cumulative distribution.

    Args:
        probabilities: (N, V).
        draws: uniform in [0, 1), (N,).
    """
    cumulative = probabilities.cumsum(axis=1)
    # Draws are scaled by the sum, which rounding may leave below one, so that none exceeds it.
    if len(draws) == 1:
        return np.array([np.count_nonzero(cumulative <= draws * cumulative[0, -1])])
    return np.asarray((cumulative <= draws[:, None] * cumulative[:, -1:]).sum(axis=1))


def chosen_seed(config: SamplingConfig) -> int:
    """The configured seed, or a random one."""
    return secrets.randbits(32) if config.seed is None else config.seed
