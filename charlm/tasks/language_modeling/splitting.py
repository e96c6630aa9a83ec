"""Splitting a text in training, validation and test: spans of it, or whole documents."""

from dataclasses import replace

from charlm.config import TextConfig
from charlm.text.corpus import Corpus
from charlm.text.documents import hold_out
from charlm.text.splits import Splits
from charlm.text.tokens import WORDS, written_words


def split_text(corpus: Corpus, config: TextConfig) -> tuple[Corpus, Splits]:
    """The text in the order of its splits, and these.

    Raises:
        CorpusError: a split would be too small.
    """

    def size(text: str) -> int:
        return len(written_words(text) if config.units == WORDS else text)

    if config.documents is None:
        return corpus, Splits.of(size(corpus.text), config)
    text, splits = hold_out(corpus.text, config, size)
    return replace(corpus, text=text), splits
