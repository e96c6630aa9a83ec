"""A text encoded as ids, for training and scoring."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charlm.text.corpus import AnyCorpus
from charlm.text.mapped_ids import TokenIds
from charlm.text.splits import Splits
from charlm.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class EncodedText:
    """A text as ids, with its splits; the characters themselves are not kept.

    Args:
        ids: (tokens,), of any unsigned integer type, possibly memory-mapped.
        unknown: for each split, the tokens that are not in the vocabulary, with their counts.
    """

    ids: TokenIds
    vocabulary: Vocabulary
    splits: Splits
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: AnyCorpus, vocabulary: Vocabulary, splits: Splits) -> "EncodedText":
        """Encode a corpus; what is not in the vocabulary becomes `<unk>`."""
        unknown = {
            split: vocabulary.unknown_of(corpus.counts(vocabulary.units, *splits.span(split)))
            for split in ("train", "val", "test")
        }
        ids = corpus.encode(vocabulary, 0, corpus.size(vocabulary.units))
        return cls(ids, vocabulary, splits, unknown)

    def split(self, name: str) -> TokenIds:
        """Ids of the split "train", "val" or "test", or of "all", as a view."""
        start, stop = self.splits.span(name)
        return self.ids[start:stop]
