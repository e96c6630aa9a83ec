"""Splitting a text in training, validation and test: spans of it, or whole documents."""

from dataclasses import replace

from charlm.config import TextConfig
from charlm.text.corpus import AnyCorpus, Corpus
from charlm.text.documents import hold_out
from charlm.text.splits import Splits
from charlm.text.tokens import WORDS, written_words


def split_text(corpus: AnyCorpus, config: TextConfig) -> tuple[AnyCorpus, Splits]:
    """The text in the order of its splits, and these.

    Raises:
        CorpusError: a split would be too small.
    """
    if config.documents is None or not isinstance(corpus, Corpus):
        return corpus, Splits.of(corpus.size(config.units), config)

    def size(text: str) -> int:
        return len(written_words(text) if config.units == WORDS else text)

    text, splits = hold_out(corpus.text, config, size)
    return replace(corpus, text=text), splits
