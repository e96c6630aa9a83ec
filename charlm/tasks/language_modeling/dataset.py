"""A text as the data of a run: its ids, its splits, and the settings that depend on them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch

from charlm.config import ModelConfig, SamplingConfig, TextTrainConfig, TrainConfig
from charlm.errors import SettingError
from charlm.files.whole import Arrays
from charlm.generation.choice import cpu_engine
from charlm.generation.reading import read
from charlm.generation.texts import sample_texts
from charlm.language_model import LanguageModel
from charlm.presets import Settings, as_options, overridden
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.baselines import baselines
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.scoring.exact import score, surprise
from charlm.scoring.intervals import ItemValues
from charlm.tasks.dataset import Dataset, Tell
from charlm.tasks.language_modeling import notices
from charlm.tasks.language_modeling.evaluation_text import beginning_sha256
from charlm.tasks.language_modeling.planning import measured, plan
from charlm.tasks.language_modeling.run import TEXT, VOCABULARY, LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_moved_corpus, find_run_corpus
from charlm.tasks.language_modeling.settings import TextSettings
from charlm.tasks.language_modeling.sizes import check_training
from charlm.tasks.language_modeling.small_texts import LARGE_ALPHABET, for_small_text
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.tasks.language_modeling.windows import fit
from charlm.text.corpus import Corpus, Source, open_corpus, sha256_of
from charlm.text.encoded import EncodedText
from charlm.text.splits import Splits, count
from charlm.text.vocabulary import Vocabulary

SAMPLE = SamplingConfig(temperature=0.7, length=72, seed=0)


class TextDataset(Dataset):
    """A text, encoded as ids.

    Args:
        corpus: see `Dataset`.
        notes: the notices known so far.
        files: files that a new run stores, content by name.
    """

    def __init__(
        self,
        text: EncodedText,
        corpus: dict[str, Any],
        notes: Iterable[str] = (),
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.text = text
        self.corpus = corpus
        self.name = str(corpus["name"])
        self.split = text.splits.held_out
        self.splits = {name: list(text.splits.span(name)) for name in ("train", "val", "test")}
        self.notices = list(notes)
        self.files = dict(files or {})

    def choose_settings(
        self,
        settings: Settings,
        parent: RunDirectory | None,
        device: torch.device,
        backend: str,
        tell: Tell,
    ) -> Settings:
        """Set the vocabulary size; adapt the model to a small text or little time; fit windows."""
        characters = self.size("train")
        mine = cast("TextSettings", settings)
        data = replace(mine.data, normalize=self.corpus["normalization"])
        mine = replace(mine, data=data)
        if parent is None:
            V = len(self.text.vocabulary)
            mine = replace(mine, model=replace(mine.model, vocabulary_size=V))
            mine = adapted_to_text(mine, characters, tell)
        else:
            mine = with_parents_model(mine, parent)
        asked, mine = mine, with_windows_that_fit(mine, characters)
        shrunk = notices.smaller_windows(asked.train, mine.train, characters)
        self.notices = [*self.notices, *shrunk]
        check_training(mine.model, mine.train, device)
        if parent is None:
            mine = planned_for_time(mine, characters, device, backend, tell)
        return mine

    def initialize(
        self, model: RecurrentModel, settings: Settings, parent: RunDirectory | None
    ) -> None:
        """Use the scheme in the settings and, for a large alphabet, the character frequencies."""
        if parent is not None:
            super().initialize(model, settings, parent)
            return
        vocabulary = self.text.vocabulary
        large = len(vocabulary) > LARGE_ALPHABET
        counts = (vocabulary.unknown_count, *vocabulary.counts) if large else ()
        config = settings.train
        cast("LanguageModel", model).initialize(config.initialization, config.seed, counts)

    def training_task(self, model: RecurrentModel, config: TrainConfig) -> LanguageModeling:
        """Windows of the training split, and the beginning of val for the evaluations."""
        train, val = self.text.split("train"), self.text.split("val")
        mine = cast("TextTrainConfig", config)
        held_out = val[: mine.eval_characters]
        return LanguageModeling(cast("LanguageModel", model), train, held_out, mine)

    def scores_all_of_val(self, config: TrainConfig) -> bool:
        """Whether val is no longer than what evaluations score."""
        return self.size("val") <= cast("TextTrainConfig", config).eval_characters

    def score(self, model: RecurrentModel, split: str) -> CrossEntropy:
        """The exact cross-entropy of every character after the first."""
        scored = score(cast("LanguageModel", model), self.text.split(split))
        assert scored is not None
        return scored

    def item_values(
        self,
        model: RecurrentModel,
        split: str,
        run: RunDirectory,
        report: ProgressCallback = ignore_progress,
    ) -> ItemValues:
        """The nats of each character after the first."""
        nats = surprise(cast("LanguageModel", model), self.text.split(split), report)
        alphabet = sorted(self.text.vocabulary.entries)
        scored = (self.corpus["text_sha256"], list(self.splits[split]), alphabet)
        return ItemValues(nats, "character", sha256_of(repr(scored)), series=True)

    def baselines(self, split: str) -> Mapping[str, CrossEntropy]:
        """Uniform, unigram, n-gram and xz."""
        train, vocabulary = self.text.split("train"), self.text.vocabulary
        return baselines(train, self.text.split(split), vocabulary)

    def illustrate(self, config: ModelConfig, weights: Arrays) -> str:
        """A short text drawn from the model."""
        vocabulary = self.text.vocabulary
        engine = cpu_engine(config, weights)
        beginning = read(engine, [vocabulary.encode(vocabulary.likely_beginning)])
        return sample_texts(engine, vocabulary, beginning, SAMPLE)[0]


def read_text(
    source: Source,
    settings: TextSettings,
    parent: LanguageModelRun | None,
    report: ProgressCallback | None,
) -> TextDataset:
    """Read the text of a new run.

    Raises:
        CorpusError: the text cannot be read, or is too short.
        SettingError: no character is frequent enough for `min_count`.
    """
    data = settings.data
    if isinstance(source, Corpus):
        corpus = source.normalized(data.normalize or source.normalization)
    else:
        corpus = open_corpus(
            source, normalization=data.normalize, encoding=data.encoding, report=report
        )
    splits = Splits.of(len(corpus.text), data)
    if parent is None:
        vocabulary = Vocabulary.build(splits.of_text(corpus.text, "train"), data.min_count)
        if not vocabulary.entries:
            raise SettingError("min_count", "leaves no character in the vocabulary.")
    else:
        vocabulary = parent.vocabulary
    text = EncodedText.of(corpus, vocabulary, splits)
    files = {VOCABULARY: vocabulary.to_json()}
    if corpus.needs_copy:
        files[TEXT] = corpus.text
    told = notices.before_training(corpus.notes, text, parent)
    return TextDataset(text, description(corpus, splits), told, files)


def reread_text(run: LanguageModelRun, source: Source, encoding: str | None) -> TextDataset:
    """Read the text of a run that is resumed.

    Raises:
        CharlmError: the text is missing or has changed.
    """
    moved = source is not None or encoding is not None
    corpus = find_moved_corpus(run, source, encoding) if moved else find_run_corpus(run)
    text = EncodedText.of(corpus, run.vocabulary, run.spans)
    return TextDataset(text, run.record.corpus)


def description(corpus: Corpus, splits: Splits) -> dict[str, Any]:
    """The entry for a text in `run.json`: where to find it again, and how to recognize it."""
    return {
        "name": corpus.name,
        "source": list(corpus.source),
        "normalization": corpus.normalization,
        "sha256": corpus.sha256,
        "characters_sha256": corpus.characters_sha256,
        "text_sha256": sha256_of(corpus.text),
        "beginning_sha256": beginning_sha256(corpus.text, splits),
        "lossless": corpus.lossless,
        "characters": len(corpus.text),
    }


def with_parents_model(settings: TextSettings, parent: RunDirectory) -> TextSettings:
    """The settings with the parent's model in place of the preset's.

    Settings given by name that do not change the weights' shapes or meaning, such as dropout, stay.

    Raises:
        SettingError: a setting given by name does not fit the parent's weights.
    """
    given, theirs = settings.given, parent.settings.model
    for name in ModelConfig.identity():
        if given.get(name, getattr(theirs, name)) != getattr(theirs, name):
            raise SettingError(
                name,
                f"is {getattr(theirs, name)} in the run '{parent.name}' that this one starts "
                "from: leave it out.",
            )
    names = ModelConfig.names()
    mine = {name: value for name, value in given.items() if name in names}
    return replace(settings, model=replace(theirs, **mine))


def adapted_to_text(settings: TextSettings, characters: int, tell: Tell) -> TextSettings:
    """The settings adapted to the length of the training split, if the preset allows it."""
    small = for_small_text(settings, characters) if settings.adapts_to_text else {}
    if small:
        tell(f"For {count(characters)} instead: {as_options(small)}")
    return overridden(settings, **small)


def with_windows_that_fit(settings: TextSettings, characters: int) -> TextSettings:
    """The settings with windows no larger than a training split of this length can fill."""
    train = settings.train
    batch_size, seq_length = fit(characters, train.batch_size, train.seq_length)
    return replace(settings, train=replace(train, batch_size=batch_size, seq_length=seq_length))


def planned_for_time(
    settings: TextSettings, characters: int, device: torch.device, backend: str, tell: Tell
) -> TextSettings:
    """The settings with sizes planned for the `max_minutes` given by name, if sizes are open."""
    asked = settings.can_plan_sizes and "max_minutes" in settings.given
    if not asked or for_small_text(settings, characters):
        return settings
    planned, why = plan(settings, characters, measured(device, backend))
    tell(why)
    check_training(planned.model, planned.train, device)
    return planned
