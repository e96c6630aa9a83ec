"""Texts that a run writes, from prefixes and stop strings that are read like the run's text."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.generation.choice import cpu_engine
from charlm.generation.engine import Engine
from charlm.generation.sampler import stream_texts
from charlm.generation.sizes import check_samples
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.fragments import Notify, read_prefix, read_stop_string
from charlm.text.tokens import DOCUMENT
from charlm.text.vocabulary import Ids


def read_beginning(
    run: LanguageModelRun, prefix: str | None, unknown: str | None, notify: Notify
) -> Ids:
    """Ids of a prefix, as `charlm.Run.encode_prefix` describes."""
    beginning = run.vocabulary.encode(run.vocabulary.likely_beginning)
    if prefix is None:
        if unknown is not None:
            raise SettingError("unknown", "is about a prefix, and there is none.")
        return beginning
    ids = read_prefix(prefix, run.vocabulary, run.normalization, unknown or "error", notify)
    # Where texts are documents, a prefix begins one.
    return np.concatenate([beginning, ids]) if run.vocabulary.document_id else ids


def with_read_stops(
    run: LanguageModelRun, sampling: SamplingConfig, notify: Notify
) -> SamplingConfig:
    """The settings, with stop strings normalized like the run's text."""
    stops = [
        read_stop_string(each, run.vocabulary, run.normalization, notify) for each in sampling.stops
    ]
    # The mark that ends a document ends its text.
    stops += [DOCUMENT] if run.vocabulary.document_id else []
    return replace(sampling, stop=tuple(dict.fromkeys(stops)))


def engine_of(run: LanguageModelRun, sampling: SamplingConfig | None = None) -> Engine:
    """What writes on the CPU soonest what is to be generated."""
    return cpu_engine(run.settings.model, run.load_weights(), sampling)


def stream_samples(
    run: LanguageModelRun,
    sampling: SamplingConfig,
    prefix: str | None = None,
    unknown: str | None = None,
    notify: Notify = lambda sentence: None,
    make_engine: Callable[[LanguageModelRun, SamplingConfig], Engine] = engine_of,
) -> Iterator[Iterator[str]]:
    """The pieces of each text, as `charlm.Run.stream_samples` describes."""
    config = with_read_stops(run, sampling, notify)
    if config.num_samples > 1:  # A single one goes out as it is drawn, whatever its length.
        check_samples(run.settings.model, config)
    ids = read_beginning(run, prefix, unknown, notify)
    start = () if prefix is None else (run.vocabulary.decode(ids).removeprefix(DOCUMENT),)
    engine = make_engine(run, config)
    for text in stream_texts(engine, run.vocabulary, ids, config):
        yield chain(start, text)
