"""What the run of a language model keeps besides: a vocabulary, and a text that has no file."""

from functools import cached_property

from charlm.errors import RunError, look_up
from charlm.files.whole import COPY_AGAIN, Arrays, read
from charlm.rnn.weights import check_shapes, model_shapes
from charlm.runs.directory import RunDirectory
from charlm.runs.record import check_types
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.splits import Splits, count
from charlm.text.vocabulary import Vocabulary

VOCABULARY, TEXT = "vocabulary.json", "corpus.txt"
# What run.json says of the text: how to find it again, and how to know it. Newer runs also say
# `characters_sha256` and `beginning_sha256` (see `evaluation_text.py`).
CORPUS = {
    "name": str,
    "source": list,
    "normalization": str,
    "sha256": str,
    "text_sha256": str,
    "lossless": bool,
    "characters": int,
}


class LanguageModelRun(RunDirectory):
    """The run of a language model.

    vocabulary.json
    corpus.txt         the text, only where it can be read nowhere else again
    """

    @property
    def spans(self) -> Splits:
        """Where the text is split."""
        splits = self.record.splits
        return Splits(**{name: (start, stop) for name, (start, stop) in splits.items()})

    @property
    def normalization(self) -> str:
        """By which the run reads texts."""
        return str(self.record.corpus["normalization"])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The training split's.

        Raises:
            RunError: it is missing or damaged, or not the model's.
        """
        file = self.path / VOCABULARY
        try:
            vocabulary = Vocabulary.from_json(read(file))
        except (ValueError, RecursionError) as error:
            raise RunError(f"'{file}' is damaged ({error}).", COPY_AGAIN) from None
        if len(vocabulary) != self.record.model["vocabulary_size"]:
            raise RunError(
                f"'{file}' has {count(len(vocabulary), 'entry', 'entries')} where the model has "
                f"{self.record.model['vocabulary_size']}: it belongs to another run.",
                COPY_AGAIN,
            )
        return vocabulary

    def check_contents(self) -> None:
        """Settings, text, splits and vocabulary."""
        super().check_contents()
        check_types(self.record.corpus, CORPUS)
        look_up(NORMALIZATIONS, self.normalization, "normalization")
        _ = self.spans, self.vocabulary

    def check_weights(self, weights: Arrays) -> Arrays:
        """The weights, in float32, which are all that the model has."""
        shapes = {name: each.shape for name, each in weights.items()}
        check_shapes(model_shapes(self.settings.model), shapes)
        return super().check_weights(weights)

    @property
    def text(self) -> str | None:
        """The copy of the text; None where there is none."""
        return self.read_file(TEXT)
