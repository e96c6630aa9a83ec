"""The sampling loop, and how texts end."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import chain, repeat, tee

import numpy as np

from charlm.config import SamplingConfig
from charlm.errors import UsageError
from charlm.generation.engine import Array, BlockEngine, Engine
from charlm.generation.filters import NotFiniteError, distribution, filtered
from charlm.seeds import Stream, generator
from charlm.text.vocabulary import UNKNOWN_ID, Ids, Vocabulary

# Draws per call: the first character appears at once, and later blocks still seem to flow.
BLOCKS = (1, 3, 12, 48, 64)


def sample_ids(engine: Engine, prefix: Ids, config: SamplingConfig, seed: int) -> Iterator[Array]:
    """Yield the next id of each of N texts, (N,), endlessly.

    Each text draws from its own random stream, so text i is the same however many there are.

    Args:
        engine: computes the logits.
        prefix: ids to read first, at least one.
        config: says how many texts and how to draw.
        seed: determines the random streams.

    Raises:
        UsageError: the prefix is empty.
        NotFiniteError: the model's logits are not finite.
    """
    return chain.from_iterable(sample_blocks(engine, prefix, config, seed))


def sample_blocks(
    engine: Engine, prefix: Ids, config: SamplingConfig, seed: int
) -> Iterator[Array]:
    """Yield the same ids as `sample_ids` in blocks (n, N), with n > 1 if the engine has blocks."""
    if not len(prefix):
        raise UsageError("The prefix is empty.", "Give at least one character with --prefix.")
    texts = config.num_samples
    state = engine.initial_state(1)
    for each in prefix:
        logits, state = engine.step(np.array([each]), state)
    streams = [generator(seed, Stream.SAMPLING, index) for index in range(texts)]
    state, logits = engine.repeat(state, texts), logits.repeat(texts, axis=0)
    blocks = engine if isinstance(engine, BlockEngine) and not filtered(config) else None
    for size in chain(BLOCKS, repeat(BLOCKS[-1])):
        draws = np.stack([stream.random(size) for stream in streams], axis=1)
        if blocks:
            ids, logits, state = blocks.generate_block(logits, state, draws, config.temperature)
            if np.count_nonzero(ids == UNKNOWN_ID):
                raise NotFiniteError
            yield ids
            continue
        for row in draws:
            ids = draw(distribution(logits, config), row)
            yield ids[None]
            logits, state = engine.step(ids, state)


def limited(blocks: Iterator[Array], length: int) -> Iterator[Array]:
    """Yield blocks (n, N) until each text has `length` ids."""
    while length:
        block = next(blocks)[:length]
        length -= len(block)
        yield block


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


def stream_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[Iterator[str]]:
    """Yield N texts without the prefix, each as an iterator over pieces as they are drawn.

    Drawing is lazy: when a text is read beyond what has been drawn, all texts advance. A text ends
    before the first of `config.stops` in it.
    """
    blocks = limited(sample_blocks(engine, prefix, config, chosen_seed(config)), config.length)
    for index, mine in enumerate(tee(blocks, config.num_samples)):
        yield until_stop(decoded(mine, index, vocabulary), config.stops)


def decoded(blocks: Iterator[Array], index: int, vocabulary: Vocabulary) -> Iterator[str]:
    """The pieces of text number `index`, one for each block (n, N) of ids."""
    return (vocabulary.decode(block[:, index]) for block in blocks)


def until_stop(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield a text's pieces up to the first stop string, or to the end if it has none.

    Characters that may be the beginning of a stop string are held back until this is known.
    """
    waiting = ""
    for piece in pieces:
        waiting += piece
        end = ending(waiting, stops)
        if end is not None:
            waiting = waiting[:end]
            break
        keep = max((overlap(waiting, stop) for stop in stops), default=0)
        if len(waiting) > keep:
            yield waiting[: len(waiting) - keep]
            waiting = waiting[len(waiting) - keep :]
    if waiting:
        yield waiting


def ending(text: str, stops: Sequence[str]) -> int | None:
    """The index at which the first stop string to end begins (on ties the longest), or None."""
    found = ((text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text)
    return min(found, default=(0, None))[1]


def overlap(text: str, stop: str) -> int:
    """The most characters at the end of the text that are the beginning of `stop`."""
    longest = min(len(text), len(stop))
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


def sample_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> list[str]:
    """The texts of `stream_texts`, each as one string."""
    return ["".join(text) for text in stream_texts(engine, vocabulary, prefix, config)]
