"""A text as ids: what training and scoring read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charlm.text.corpus import Corpus
from charlm.text.splits import Splits
from charlm.text.vocabulary import Ids, Vocabulary


@dataclass(frozen=True)
class EncodedText:
    """A text as ids, split. The text itself is not needed any more.

    Args:
        ids: (characters,), of any unsigned type; they may lie in a memory map.
        unknown: for each split the characters that the vocabulary lacks, with their counts.
    """

    ids: Ids
    vocabulary: Vocabulary
    splits: Splits
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: Corpus, vocabulary: Vocabulary, splits: Splits) -> "EncodedText":
        """A corpus, with what the vocabulary lacks read as `<unk>`."""
        unknown = {
            split: vocabulary.unknown(splits.of_text(corpus.text, split))
            for split in ("train", "val", "test")
        }
        return cls(vocabulary.encode(corpus.text, "replace"), vocabulary, splits, unknown)

    def split(self, name: str) -> Ids:
        """The ids of train, val, test or all, a view."""
        start, stop = self.splits.span(name)
        return self.ids[start:stop]
