"""The loop that draws text, and how a text ends."""

import secrets
from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np

from charlm.config import SamplingConfig
from charlm.errors import UsageError
from charlm.generation.engines import Array, Engine, Writer
from charlm.generation.filters import NotFiniteError, distribution, filtered
from charlm.seeds import Stream, generator
from charlm.text.vocabulary import UNKNOWN_ID, Ids, Vocabulary

# Draws to a call: the first at once, then blocks that still seem to flow.
BLOCKS = (1, 3, 12, 48, 64)


def sample_ids(engine: Engine, prefix: Ids, config: SamplingConfig, seed: int) -> Iterator[Array]:
    """Endlessly, the next id of each of N texts, (N,).

    Text number i draws from a random stream of its own, so it is the same however many there are.

    Args:
        prefix: ids read first, at least one.

    Raises:
        UsageError: the prefix is empty.
        NotFiniteError: the model's logits are not finite.
    """
    return chain.from_iterable(sample_blocks(engine, prefix, config, seed))


def sample_blocks(
    engine: Engine, prefix: Ids, config: SamplingConfig, seed: int
) -> Iterator[Array]:
    """`sample_ids`, in blocks (n, N): of more than one id where the engine can write on end."""
    if not len(prefix):
        raise UsageError("The prefix is empty.", "Give at least one character with --prefix.")
    texts = config.num_samples
    state = engine.initial_state(1)
    for each in prefix:
        logits, state = engine.step(np.array([each]), state)
    streams = [generator(seed, Stream.SAMPLING, index) for index in range(texts)]
    state, logits = engine.repeat(state, texts), logits.repeat(texts, axis=0)
    writer = engine if isinstance(engine, Writer) and not filtered(config) else None
    for size in chain(BLOCKS, repeat(BLOCKS[-1])):
        draws = np.stack([stream.random(size) for stream in streams], axis=1)
        if writer:
            ids, logits, state = writer.write(logits, state, draws, config.temperature)
            if np.count_nonzero(ids == UNKNOWN_ID):
                raise NotFiniteError
            yield ids
            continue
        for row in draws:
            ids = draw(distribution(logits, config), row)
            yield ids[None]
            logits, state = engine.step(ids, state)


def limited(blocks: Iterator[Array], length: int) -> Iterator[Array]:
    """The first `length` ids of each text."""
    while length:
        block = next(blocks)[:length]
        length -= len(block)
        yield block


def draw(probabilities: Array, draws: Array) -> Array:
    """Ids (N,) by inverse cumulative distribution.

    Args:
        probabilities: (N, V).
        draws: uniform in [0, 1), (N,).
    """
    cumulative = probabilities.cumsum(axis=1)
    # Scaled by the sum, which rounding keeps from being one, so that no draw falls beyond the end.
    if len(draws) == 1:
        return np.array([np.count_nonzero(cumulative <= draws * cumulative[0, -1])])
    return np.asarray((cumulative <= draws[:, None] * cumulative[:, -1:]).sum(axis=1))


def chosen_seed(config: SamplingConfig) -> int:
    return secrets.randbits(32) if config.seed is None else config.seed


def stream_text(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[str]:
    """What the model writes after the prefix, in pieces as it is drawn; the first text only.

    With `config.stop`, characters that may be its beginning wait until they are known not to be.
    """
    blocks = sample_blocks(engine, prefix, config, chosen_seed(config))
    waiting = ""
    for block in limited(blocks, config.length):
        waiting += vocabulary.decode(block[:, 0])
        if config.stop and config.stop in waiting:
            waiting = waiting.split(config.stop)[0]
            break
        keep = overlap(waiting, config.stop or "")
        if len(waiting) > keep:
            yield waiting[: len(waiting) - keep]
            waiting = waiting[len(waiting) - keep :]
    if waiting:
        yield waiting


def overlap(text: str, stop: str) -> int:
    """How many characters at the text's end are the beginning of `stop`."""
    longest = min(len(text), len(stop))
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


def sample_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> list[str]:
    """N texts drawn side by side, without the prefix; each ends before its first `config.stop`."""
    blocks = sample_blocks(engine, prefix, config, chosen_seed(config))
    none = np.empty((0, config.num_samples), dtype=np.int64)
    drawn = np.concatenate([none, *limited(blocks, config.length)])
    texts = [vocabulary.decode(column) for column in drawn.T]
    return [text.split(config.stop)[0] for text in texts] if config.stop else texts
