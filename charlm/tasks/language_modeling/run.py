"""The run directory of a language model, which adds a vocabulary and perhaps the text."""

from functools import cached_property
from pathlib import Path
from typing import cast

from charlm.config import TextConfig, TextTrainConfig
from charlm.errors import RunError, UsageError, look_up
from charlm.files.reading import COPY_AGAIN, Shapes
from charlm.files.schema import Count
from charlm.rnn.weights import check_shapes, model_shapes
from charlm.runs.directory import RunDirectory
from charlm.runs.record import Record, check_types
from charlm.text.catalog import CATALOG, CatalogEntry
from charlm.text.corpus import Reading
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.splits import Splits, count
from charlm.text.vocabulary import Vocabulary

VOCABULARY, TEXT = "vocabulary.json", "corpus.txt"
# Types of the entries about the text in run.json, by which it is found and recognized. Newer runs
# also have `characters_sha256` and `beginning_sha256` (see `evaluation_text.py`).
CORPUS = {
    "name": str,
    "source": list[str],
    "normalization": str,
    "sha256": str,
    "text_sha256": str,
    "lossless": bool,
    "characters": Count,
}


# The first runs have neither, and know their text by the hash of its bytes alone.
FIRST = {"text_sha256": "", "lossless": False}


class LanguageModelRun(RunDirectory):
    """The run of a language model. It adds these files to those of `RunDirectory`:

    vocabulary.json
    corpus.txt         the text, only if it cannot be read from its source again
    states/            what the model knows after a prefix, by name (see `kept_states.py`)
    """

    data_config = TextConfig
    train_config = TextTrainConfig

    def __init__(self, path: Path, record: Record) -> None:
        super().__init__(path, record)
        record.corpus = {**FIRST, **record.corpus}

    @property
    def text_config(self) -> TextConfig:
        """How the run reads texts, and what of its own it holds out."""
        return cast("TextConfig", self.settings.data)

    @property
    def reading(self) -> Reading:
        """How the run reads any text."""
        data = self.text_config
        return Reading(self.normalization, "utf-8", data.units, data.documents)

    @property
    def spans(self) -> Splits:
        """The spans of the training, validation and test splits."""
        splits = self.record.splits
        return Splits(**{name: (start, stop) for name, (start, stop) in splits.items()})

    @property
    def normalization(self) -> str:
        """Name of the normalization that the run applies to texts."""
        return str(self.record.corpus["normalization"])

    @property
    def catalog_entries(self) -> list[CatalogEntry]:
        """What the catalog knows of the text: an entry for each name that it was read by."""
        return [CATALOG[name] for name in self.record.corpus["source"] if name in CATALOG]

    @property
    def good_prefix(self) -> str | None:
        """A good prefix to generate from, where the catalog has one for the text."""
        known = self.catalog_entries
        return known[0].prefix if len(known) == 1 else None

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary, which comes from the training split.

        Raises:
            RunError: it is missing, damaged, or not of the model's size.
        """
        file = self.path / VOCABULARY
        vocabulary = self.parse_file(VOCABULARY, Vocabulary.from_json)
        if vocabulary.units != self.text_config.units:
            raise RunError(
                f"'{file}' is of {vocabulary.units}, and the run of {self.text_config.units}.",
                COPY_AGAIN,
            )
        if len(vocabulary) != self.record.model["vocabulary_size"]:
            raise RunError(
                f"'{file}' has {count(len(vocabulary), 'entry', 'entries')} where the model has "
                f"{self.record.model['vocabulary_size']}: it belongs to another run.",
                COPY_AGAIN,
            )
        return vocabulary

    def check_contents(self) -> None:
        """Check the settings, the text's entries, the splits and the vocabulary."""
        super().check_contents()
        check_types(self.record.corpus, CORPUS)
        look_up(NORMALIZATIONS, self.normalization, "normalization")
        _ = self.spans, self.vocabulary

    def check_shapes(self, shapes: Shapes) -> None:
        """Raise RunError unless these are the names and shapes of the model's weights."""
        check_shapes(model_shapes(self.settings.model), shapes)

    @property
    def text(self) -> str | None:
        """The stored copy of the text, if there is one."""
        # UTF-8 takes four bytes a character at most.
        return self.read_file(TEXT, 4 * self.record.corpus["characters"] + 4)


def as_language_model(run: RunDirectory) -> LanguageModelRun:
    """The run, as that of a language model.

    Raises:
        UsageError: it is of another task.
    """
    if not isinstance(run, LanguageModelRun):
        raise UsageError(
            f"The run '{run.name}' is of the task '{run.record.task}', and this is for language "
            "models.",
            "Name another run.",
        )
    return run
