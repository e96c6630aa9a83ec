"""The language modelling task. Torch, which takes a second to import, is imported only on use."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from charlm.config import ModelConfig
from charlm.presets import DEFAULT_PRESET, PRESETS, Settings
from charlm.progress import ProgressCallback
from charlm.runs.commands import command, run_command
from charlm.runs.directory import RunDirectory
from charlm.scoring.baselines import copying_is_far_ahead
from charlm.scoring.cross_entropy import (
    ByteCrossEntropy,
    CrossEntropy,
    TokenCrossEntropy,
    WordCrossEntropy,
)
from charlm.scoring.score import Scored
from charlm.sections import Draft, Folded, Grid, Part
from charlm.tasks.dataset import Dataset
from charlm.tasks.language_modeling.run import TEXT, LanguageModelRun
from charlm.tasks.language_modeling.settings import RULES, TextSettings
from charlm.tasks.task import Floats, Task
from charlm.text.corpus import Corpus, Reading, Source, open_corpus
from charlm.text.large import LargeCorpus
from charlm.text.sources import STDIN
from charlm.text.splits import count
from charlm.text.tokens import BYTES, CHARACTERS, WORDS
from charlm.text.vocabulary import printable

if TYPE_CHECKING:
    import torch

    from charlm.language_model import LanguageModel
    from charlm.rnn.model import RecurrentModel

# Characters of an alphabet that a report lists.
ALPHABET = 60


# What `planning.plan` chooses.
PLANNED = ("hidden_size", "embedding_size", "output_dropout", "weight_drop", "batch_size")


class LanguageModelTask(Task):
    """Predict the next character of a text."""

    name = "language-model"
    item = "character"
    item_short = "ch"
    loss_name = "nats_per_character"
    loss_title = "nats"
    score_type: ClassVar[type[TokenCrossEntropy]] = CrossEntropy
    compared_by = "bits_per_character"
    rules = RULES
    presets = PRESETS
    default_preset = DEFAULT_PRESET
    run_type = LanguageModelRun

    def variant(self, data: Mapping[str, Any]) -> Task:
        """The task over characters, words or bytes."""
        return VARIANTS.get(data.get("units", CHARACTERS), self)

    def read(
        self,
        source: Source,
        settings: Settings,
        parent: RunDirectory | None,
        report: ProgressCallback | None,
    ) -> Dataset:
        """Read a text, with the vocabulary of its training split or of the parent."""
        from charlm.tasks.language_modeling.dataset import read_text

        return read_text(
            source, cast("TextSettings", settings), cast("LanguageModelRun | None", parent), report
        )

    def reread(self, run: RunDirectory, source: Source, encoding: str | None) -> Dataset:
        """Read the run's own text again."""
        from charlm.tasks.language_modeling.dataset import reread_text

        return reread_text(cast("LanguageModelRun", run), source, encoding)

    def kept_copy(self, run: RunDirectory) -> dict[str, Any]:
        """The text, where it came from a string or from standard input."""
        source = run.record.corpus["source"]
        if source and STDIN not in source:
            return {}
        return {"corpus": [str((run.path / TEXT).resolve())], "encoding": "utf-8"}

    def make_model(self, config: ModelConfig, backend: str) -> "LanguageModel":
        """A `LanguageModel` with uninitialized weights."""
        from charlm.language_model import LanguageModel

        return LanguageModel(config, backend)

    def unit(self, run: RunDirectory) -> str:
        """Bits per character, word or byte."""
        return f"bits per {self.item}"

    def figure_of_means(self, means: Floats) -> Floats:
        """Bits from nats."""
        return means / math.log(2)

    def figures_of_loss(self, loss: float) -> Mapping[str, float]:
        """Perplexity and bits per character."""
        return self.score_type(loss, 1).to_json()

    def inherited_settings(self, parent: RunDirectory) -> dict[str, Any]:
        """The cell, its initialization, `min_count` and the normalization."""
        inherited = super().inherited_settings(parent)
        theirs = cast("LanguageModelRun", parent).text_config
        return {
            "normalize": cast("LanguageModelRun", parent).normalization,
            "min_count": theirs.min_count,
            "units": theirs.units,
            "documents": theirs.documents,
            **inherited,
        }

    def readable_again(
        self, source: Source, given: Mapping[str, Any]
    ) -> tuple[Source, dict[str, Any]]:
        """The text itself where it comes from standard input or a pipe."""
        given = dict(given)
        if source is None or isinstance(source, Corpus | LargeCorpus):
            return source, given
        named = [str(source)] if isinstance(source, str | Path) else [str(each) for each in source]
        if not any(each == STDIN or is_pipe(Path(each)) for each in named):
            return named, given
        # It is normalized and divided into documents when it is read.
        encoding, units = given.pop("encoding", None), given.get("units", CHARACTERS)
        reading = Reading("none", encoding or "utf-8", BYTES if units == BYTES else CHARACTERS)
        return open_corpus(named, reading), given

    def measured_settings(self, run: RunDirectory, asked: Settings) -> dict[str, Any]:
        """The sizes that were planned for a time limit."""
        if not asked.can_plan_sizes or asked.train.max_minutes is None:
            return {}
        settings = {**run.record.model, **run.record.train}
        return {name: settings[name] for name in PLANNED}

    def check_memory(
        self,
        settings: Settings,
        device: "torch.device",
        advice: str,
        training: bool = True,
    ) -> None:
        """Estimate the size of weights and activations, without building a model."""
        from charlm.tasks.language_modeling.sizes import check_model, check_training

        if training:
            mine = cast("TextSettings", settings)
            check_training(mine.model, mine.train, device, advice)
        else:
            check_model(settings.model, device)

    def differences(self, runs: Sequence[tuple[RunDirectory, Scored]]) -> Iterator[str]:
        """Different texts, normalizations, spans or vocabularies."""
        each = [cast("LanguageModelRun", run) for run, _ in runs]
        texts = {run.record.corpus["text_sha256"] for run in each}
        splits = dict.fromkeys(found.split for _, found in runs)
        spans = {(str(run.record.splits.get(found.split)), found.items) for run, found in runs}
        vocabularies = {frozenset(run.vocabulary.entries) for run in each}
        if len(texts) > 1 and len({run.record.corpus["sha256"] for run in each}) > 1:
            yield "These runs were trained on different texts: their scores do not compare."
        elif len(texts) > 1:
            ways = ", ".join(dict.fromkeys(run.normalization for run in each))
            yield f"The text was normalized differently ({ways}): the scores do not compare."
        elif len(splits) == 1 < len(spans):
            yield (
                f"The scores are of different characters of the text's split {next(iter(splits))}: "
                "they do not quite compare."
            )
        if len(vocabularies) > 1:
            sizes = ", ".join(count(len(run.vocabulary), "entry", "entries") for run in each)
            yield (
                f"The vocabularies differ ({sizes}): what one lacks is scored as <unk>, which is "
                "easier to predict than the character itself."
            )

    def describe_data(self, run: RunDirectory) -> str:
        """The text, how it was normalized, and its length."""
        text, data = run.record.corpus, cast("LanguageModelRun", run).text_config
        made_of = f", documents: {data.documents}" if data.documents else ""
        return (
            f"{text['name']}, {text['normalization']}, {count(text['characters'])}, read as "
            f"{data.units}{made_of}"
        )

    def meanings(self, run: RunDirectory) -> Mapping[str, Any]:
        """The normalization, and the vocabulary by id."""
        own = cast("LanguageModelRun", run)
        return {"normalization": own.normalization, **own.vocabulary.by_id()}

    def remarks(self, result: Mapping[str, Any]) -> Iterator[str]:
        """A remark if the held-out text repeats passages of the training text."""
        read = self.score_type.from_json
        scores = {name: read(each) for name, each in result["baselines"].items()}
        scored = min((each.tokens for each in scores.values()), default=0)
        if scored < read(result["score"]).tokens:
            yield f"The others are scored on the first {count(scored + 1, self.item)} of that text."
        if copying_is_far_ahead({**scores, "": read(result["score"])}):
            yield (
                "xz is far ahead: the held-out text repeats long passages of the training text,\n"
                "which xz copies. That is how the text is, and no fault of the model."
            )
        if "ppm" in scores and scores["ppm"].loss < read(result["score"]).loss:
            yield (
                "ppm is ahead: it remembers the held-out text as it reads. Both together are\n"
                f"scored by {command('eval', mix=True)}."
            )

    def next_commands(self, run: RunDirectory) -> Iterator[str]:
        """Generate text, and evaluate."""
        prefix = cast("LanguageModelRun", run).good_prefix
        yield run_command(run.path, "generate", option="run", prefix=prefix)
        yield run_command(run.path, "eval", option="run")

    def data_card(self, run: RunDirectory) -> Iterator[Part]:
        """The text, its licence if it is known, and its alphabet."""
        own = cast("LanguageModelRun", run)
        for entry in own.catalog_entries:
            yield f"{entry.title}. Licence: {entry.licence}. Source: {entry.source}"
        if not own.catalog_entries:
            yield "The text is the user's own; charlm knows nothing of its licence."
        yield from super().data_card(run)
        vocabulary = own.vocabulary
        total = sum(vocabulary.counts) + vocabulary.unknown_count
        yield (
            f"The alphabet has {count(len(vocabulary), 'entry', 'entries')} with <unk>, from the "
            f"training part of {count(total, self.item)}."
        )
        shown = list(zip(vocabulary.entries, vocabulary.counts, strict=True))[:ALPHABET]
        rows = [(printable(each), n, f"{n / max(total, 1):.2%}") for each, n in shown]
        yield Folded(
            f"The {count(len(rows), f'most frequent {self.item}')}",
            Grid((self.item, "times", "share"), rows),
        )

    def chapters(
        self, run: RunDirectory, load_model: "Callable[[], RecurrentModel]"
    ) -> Sequence[Draft]:
        """Samples, and what its model does."""
        from charlm.tasks.language_modeling.chapters import drafts

        make = cast("Callable[[], LanguageModel]", load_model)
        return drafts(cast("LanguageModelRun", run), make)


class WordModelTask(LanguageModelTask):
    """Predict the next word of a text."""

    item = "word"
    item_short = "words"
    loss_name = "nats_per_word"
    score_type = WordCrossEntropy
    compared_by = "bits_per_word"


class ByteModelTask(LanguageModelTask):
    """Predict the next byte of a text."""

    item = "byte"
    item_short = "B"
    loss_name = "nats_per_byte"
    score_type = ByteCrossEntropy
    compared_by = "bits_per_byte"


VARIANTS: Mapping[str, LanguageModelTask] = {
    CHARACTERS: LanguageModelTask(),
    WORDS: WordModelTask(),
    BYTES: ByteModelTask(),
}


def is_pipe(path: Path) -> bool:
    """Whether what is at a path can be read only once."""
    try:
        return path.is_fifo() or path.is_char_device()
    except (OSError, ValueError):
        return False
