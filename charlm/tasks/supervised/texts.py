"""Texts as ids: counted and encoded in one pass over the rows."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.settings import TableConfig
from charlm.text.normalize import FRAGMENT_NORMALIZATIONS
from charlm.text.tokens import WORDS, tokenize
from charlm.text.vocabulary import Vocabulary


def tokens_of(text: str, config: TableConfig) -> list[str]:
    """The tokens of a text as the settings have them, however long it is."""
    normalized = FRAGMENT_NORMALIZATIONS[config.normalize or "none"](text)
    return tokenize(normalized, config.units, config.lower)


@dataclass
class TextCollector:
    """Collects texts, one after the other, as numbers of the distinct tokens met so far.

    A vocabulary needs the counts of the training part, which are known only once all texts are
    read; numbers take less memory meanwhile than strings, and one pass is enough.

    Attributes:
        cut: how many texts were longer than the settings allow.
    """

    config: TableConfig
    numbers: dict[str, int] = field(default_factory=dict)
    tokens: "array[int]" = field(default_factory=lambda: array("I"))
    starts: "array[int]" = field(default_factory=lambda: array("q", [0]))
    cut: int = 0
    names: list[str] = field(default_factory=list, repr=False)  # of the tokens, once all are read

    def add(self, text: str) -> bool:
        """Take a text in; False where nothing of it is left, and it is not."""
        tokens = tokens_of(text, self.config)
        longest = self.config.max_length
        if longest is not None and len(tokens) > longest:
            self.cut += 1
            tokens = tokens[:longest]
        if not tokens:
            return False
        numbers = self.numbers
        self.tokens.extend([numbers.setdefault(each, len(numbers)) for each in tokens])
        self.starts.append(len(self.tokens))
        return True

    def text(self, row: int) -> str:
        """A text, as it can be read again."""
        if not self.names:
            self.names = list(self.numbers)
        joint = " " if self.config.units == WORDS else ""
        numbers = self.tokens[self.starts[row] : self.starts[row + 1]]
        return joint.join(self.names[each] for each in numbers)

    def ordered(self, order: npt.NDArray[np.int64]) -> Sequences:
        """The texts in this order, still as numbers of tokens."""
        tokens = np.frombuffer(self.tokens, dtype=np.uint32)
        starts = np.frombuffer(self.starts, dtype=np.int64)
        return Sequences(tokens, starts[order], np.diff(starts)[order])

    def build_vocabulary(self, train: Sequences) -> Vocabulary:
        """The vocabulary of the training part."""
        read = train.steps[train.positions]
        counts = np.bincount(read, minlength=len(self.numbers)).tolist()
        counted = {token: counts[i] for token, i in self.numbers.items() if counts[i]}
        config = self.config
        return Vocabulary.of_counts(counted, config.units, config.min_count, config.max_vocabulary)

    def encode(self, sequences: Sequences, vocabulary: Vocabulary) -> Sequences:
        """Numbers of tokens as the vocabulary's ids, in the narrowest type."""
        ids = np.array(vocabulary.encode_tokens(self.numbers), dtype=np.int64)
        narrow = ids.astype(np.min_scalar_type(len(vocabulary) - 1))
        return replace(sequences, steps=narrow[sequences.steps])


def encode_texts(
    texts: Iterator[str], vocabulary: Vocabulary, config: TableConfig
) -> Iterator[npt.NDArray[np.int64]]:
    """The ids of each text by a vocabulary, (tokens,); none of an empty text."""
    for text in texts:
        tokens = tokens_of(text, config)[: config.max_length]
        yield np.array(vocabulary.encode_tokens(tokens), dtype=np.int64)
