"""The loop that draws text, and how a text ends."""

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


def stream_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[Iterator[str]]:
    """N texts, each in pieces as it is drawn, without the prefix.

    They are drawn side by side, by whichever of them is read and has no more to give. A text ends
    where one of `config.stops` would begin, and what nobody reads is not drawn.
    """
    blocks = limited(sample_blocks(engine, prefix, config, chosen_seed(config)), config.length)
    for index, mine in enumerate(tee(blocks, config.num_samples)):
        yield until_stop(decoded(mine, index, vocabulary), config.stops)


def decoded(blocks: Iterator[Array], index: int, vocabulary: Vocabulary) -> Iterator[str]:
    """The pieces of one of the texts that are drawn side by side."""
    return (vocabulary.decode(block[:, index]) for block in blocks)


def until_stop(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first of some strings; ends with what is left when there is none.

    Characters that may be its beginning wait until they are known not to be.
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
    """Where the string begins that is the first to be complete, the longest of those that are."""
    found = ((text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text)
    return min(found, default=(0, None))[1]


def overlap(text: str, stop: str) -> int:
    """How many characters at the text's end are the beginning of `stop`."""
    longest = min(len(text), len(stop))
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


def sample_texts(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> list[str]:
    """All of `stream_texts`, whole."""
    return ["".join(text) for text in stream_texts(engine, vocabulary, prefix, config)]
