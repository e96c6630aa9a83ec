"""Texts as tests draw them."""

from collections.abc import Iterator

from charlm.config import SamplingConfig
from charlm.generation.engine import Engine
from charlm.generation.sampler import stream_texts
from charlm.text.vocabulary import Ids, Vocabulary


def stream_text(
    engine: Engine, vocabulary: Vocabulary, prefix: Ids, config: SamplingConfig
) -> Iterator[str]:
    """The first of several texts."""
    return next(stream_texts(engine, vocabulary, prefix, config))
