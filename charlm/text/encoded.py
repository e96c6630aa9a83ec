"""A text encoded as ids, for training and scoring."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charlm.text.corpus import Corpus
from charlm.text.splits import Splits
from charlm.text.vocabulary import Ids, Vocabulary


@dataclass(frozen=True)
class EncodedText:
    """A text as ids, with its splits; the characters themselves are not kept.

    Args:
        ids: (tokens,), of any unsigned integer type, possibly memory-mapped.
        unknown: for each split, the tokens that are not in the vocabulary, with their counts.
    """

    ids: Ids
    vocabulary: Vocabulary
    splits: Splits
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: Corpus, vocabulary: Vocabulary, splits: Splits) -> "EncodedText":
        """Encode a corpus; what is not in the vocabulary becomes `<unk>`."""
        unknown = {
            split: vocabulary.unknown(splits.of_text(corpus.text, split, vocabulary.units))
            for split in ("train", "val", "test")
        }
        return cls(vocabulary.encode(corpus.text, "replace"), vocabulary, splits, unknown)

    def split(self, name: str) -> Ids:
        """Ids of the split "train", "val" or "test", or of "all", as a view."""
        start, stop = self.splits.span(name)
        return self.ids[start:stop]
