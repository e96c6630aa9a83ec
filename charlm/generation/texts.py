"""Texts: drawn, the best of several that were drawn, or looked for."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import tee

import numpy as np

from charlm.config import SamplingConfig
from charlm.generation.beams import beam_search
from charlm.generation.endings import MOST_BEYOND, endings_of, most_characters, until_end
from charlm.generation.engine import Array, Engine
from charlm.generation.ranking import log_probability, most_probable
from charlm.generation.reading import Beginning
from charlm.generation.sampler import chosen_seed, limited, sample_blocks
from charlm.generation.steering import steering_of
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Vocabulary

NO_END = (
    f"No sentence ended within {MOST_BEYOND:,} characters beyond the length: a text ends there."
)


def write_texts(
    engine: Engine,
    vocabulary: Vocabulary,
    beginning: Beginning,
    config: SamplingConfig,
    notify: Callable[[str], object] = lambda sentence: None,
    report: ProgressCallback = ignore_progress,
) -> Iterator[Iterator[str]]:
    """Yield `config.num_samples` texts for each beginning, each as an iterator over its pieces.

    What is drawn flows as in `stream_texts`. The best of several, and what beams found, is there
    once all is done.

    Args:
        notify: called with a sentence if a text ends where no sentence does.
        report: called now and then with the characters of each text that are written, and the most
            there will be.
    """
    if config.beams:
        for number in range(len(beginning)):
            one = beginning.select(engine, np.array([number]))
            found = beam_search(engine, vocabulary, one, config, report)
            if config.until_sentence_end and not all(each.ended for each in found):
                notify(NO_END)
            yield from (iter([each.text]) for each in found)
    elif config.best_of:
        yield from (
            iter([each]) for each in best_of(engine, vocabulary, beginning, config, notify, report)
        )
    else:
        yield from stream_texts(engine, vocabulary, beginning, config, notify, report)


def stream_texts(
    engine: Engine,
    vocabulary: Vocabulary,
    beginning: Beginning,
    config: SamplingConfig,
    notify: Callable[[str], object] = lambda sentence: None,
    report: ProgressCallback = ignore_progress,
    note_ids: Callable[[Array], object] = lambda block: None,
) -> Iterator[Iterator[str]]:
    """Yield texts that are drawn, each as an iterator over pieces as they are drawn.

    Drawing is lazy: when a text is read beyond what has been drawn, all texts advance. The
    arguments are those of `write_texts`.

    Args:
        note_ids: called with each block of ids (n, N) that is drawn.
    """
    steering, endings = steering_of(config, vocabulary), endings_of(config, vocabulary)
    drawn = sample_blocks(engine, beginning, config, chosen_seed(config), steering)
    blocks = noted(limited(drawn, most_characters(config), report), note_ids)
    at_limit = partial(notify, NO_END) if config.until_sentence_end else lambda: None
    for index, mine in enumerate(tee(blocks, config.num_samples * len(beginning))):
        yield until_end(decoded(mine, index, vocabulary), endings, at_limit)


def noted(blocks: Iterator[Array], note_ids: Callable[[Array], object]) -> Iterator[Array]:
    """The blocks, each told of."""
    for block in blocks:
        note_ids(block)
        yield block


def decoded(blocks: Iterator[Array], index: int, vocabulary: Vocabulary) -> Iterator[str]:
    """The pieces of text number `index`, one for each block (n, N) of ids."""
    return (vocabulary.decode(block[:, index]) for block in blocks)


def best_of(
    engine: Engine,
    vocabulary: Vocabulary,
    beginning: Beginning,
    config: SamplingConfig,
    notify: Callable[[str], object],
    report: ProgressCallback,
) -> Iterator[str]:
    """Yield the best of `config.best_of` texts for each beginning, `config.num_samples` of them."""
    several = replace(config, num_samples=config.best_of, best_of=0)
    drawn = list[Array]()
    streams = stream_texts(engine, vocabulary, beginning, several, notify, report, drawn.append)
    texts = ["".join(each) for each in streams]
    places = np.arange(len(beginning)).repeat(config.best_of)
    written = np.concatenate(drawn) if drawn else np.empty((0, len(texts)), dtype=np.int64)
    ids = [within(written[:, i], each, vocabulary) for i, each in enumerate(texts)]
    totals = log_probability(engine, beginning.select(engine, places), ids, report)
    for start in range(0, len(texts), config.best_of):
        mine = slice(start, start + config.best_of)
        yield from most_probable(totals[mine], texts[mine], config.num_samples)


def within(ids: Array, text: str, vocabulary: Vocabulary) -> Array:
    """Those of the ids that were drawn that are wholly in the text."""
    lengths = np.cumsum([len(vocabulary.decode([each])) for each in ids[: len(text)]])
    return ids[: int(np.searchsorted(lengths, len(text), "right"))]


def sample_texts(
    engine: Engine, vocabulary: Vocabulary, beginning: Beginning, config: SamplingConfig
) -> list[str]:
    """The texts of `write_texts`, each as one string."""
    return ["".join(text) for text in write_texts(engine, vocabulary, beginning, config)]
