"""A text as the data of a run: its ids, its splits, and the settings that depend on them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from charlm.config import ModelConfig, SamplingConfig, TextTrainConfig, TrainConfig
from charlm.errors import SettingError
from charlm.files.whole import Arrays
from charlm.generation.choice import cpu_engine
from charlm.generation.reading import read
from charlm.generation.texts import sample_texts
from charlm.language_model import LanguageModel
from charlm.presets import Settings
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.baselines import baselines
from charlm.scoring.cross_entropy import TokenCrossEntropy
from charlm.scoring.exact import score, surprise, totals
from charlm.scoring.intervals import ItemValues
from charlm.tasks.dataset import Dataset, Tell
from charlm.tasks.language_modeling import notices
from charlm.tasks.language_modeling.document_windows import DocumentWindows
from charlm.tasks.language_modeling.evaluation_text import beginning_sha256
from charlm.tasks.language_modeling.fitting import (
    adapted_to_device,
    adapted_to_text,
    check_parent,
    planned_for_time,
    with_gate_at_hand,
    with_gentle_rate,
    with_parents_model,
    with_sizes,
    with_windows_that_fit,
)
from charlm.tasks.language_modeling.growing import grown_vocabulary, grown_weights
from charlm.tasks.language_modeling.planning import measured
from charlm.tasks.language_modeling.run import TEXT, VOCABULARY, LanguageModelRun
from charlm.tasks.language_modeling.run_text import find_moved_corpus, find_run_corpus
from charlm.tasks.language_modeling.settings import TextSettings
from charlm.tasks.language_modeling.sizes import check_training
from charlm.tasks.language_modeling.small_texts import LARGE_ALPHABET
from charlm.tasks.language_modeling.splitting import split_text
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.text.corpus import AnyCorpus, Corpus, Reading, Source, open_corpus, sha256_of
from charlm.text.encoded import EncodedText
from charlm.text.large import LargeCorpus
from charlm.text.mapped_ids import TokenIds
from charlm.text.splits import Splits
from charlm.text.tokens import DOCUMENT, ITEMS, WORDS
from charlm.text.vocabulary import Vocabulary

SAMPLE = SamplingConfig(temperature=0.7, length=72, seed=0)
SAMPLES = replace(SAMPLE, num_samples=8)
# Rarer words are <unk>, unless min_count is given by name.
WORDS_MIN_COUNT = 2


class TextDataset(Dataset):
    """A text, encoded as ids.

    Args:
        corpus: see `Dataset`.
        notes: the notices known so far.
        files: files that a new run stores, content by name.
        min_count: by which the vocabulary was made.
        encoding: in which the text was read.
    """

    def __init__(
        self,
        text: EncodedText,
        corpus: dict[str, Any],
        notes: Iterable[str] = (),
        files: Mapping[str, str] | None = None,
        min_count: int = 1,
        encoding: str = "utf-8",
    ) -> None:
        self.text = text
        self.encoding = encoding
        self.min_count = min_count
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
        characters, vocabulary = self.size("train"), self.text.vocabulary
        mine = cast("TextSettings", settings)
        found = {"normalize": self.corpus["normalization"], "encoding": self.encoding}
        mine = replace(mine, data=replace(mine.data, min_count=self.min_count, **found))
        V, document_id = len(vocabulary), vocabulary.document_id
        if parent is None:
            fitted = with_gate_at_hand(with_sizes(mine, V, document_id), device, backend, tell)
            mine = adapted_to_text(fitted, characters, self.item, tell, self.document_length)
        else:
            mine = with_sizes(with_parents_model(mine, parent), V, document_id)
            mine = with_gentle_rate(mine, tell)
        mine = asked = adapted_to_device(mine, characters, device, tell)
        if not document_id:  # Documents are packed into windows of any size.
            mine = with_windows_that_fit(mine, characters)
        shrunk = notices.smaller_windows(asked.train, mine.train, characters, self.item)
        self.notices = [*self.notices, *shrunk]
        check_training(mine.model, mine.train, device)
        if document_id:
            train, shape = self.text.split("train"), (mine.train.batch_size, mine.train.seq_length)
            packed = DocumentWindows(np.asarray(train), document_id, *shape, mine.train.seed)
            self.notices += notices.packing(packed.real_share, self.units)
        if parent is None:
            measure = measured(device, backend, self.world)
            mine = planned_for_time(mine, characters, device, measure, tell)
        return mine

    def initialize(
        self, model: RecurrentModel, settings: Settings, parent: RunDirectory | None
    ) -> None:
        """Use the scheme in the settings and, for a large alphabet, the character frequencies."""
        if parent is not None:
            model.load_weights(grown_weights(parent.load_weights(), settings.model))
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
        held_out = beginning(val, mine.eval_characters, self.text.vocabulary.document_id)
        own = cast("LanguageModel", model)
        return LanguageModeling(own, train, held_out, mine, self.units, self.world)

    def scores_all_of_val(self, config: TrainConfig) -> bool:
        """Whether val is no longer than what evaluations score."""
        return self.size("val") <= cast("TextTrainConfig", config).eval_characters

    @property
    def units(self) -> str:
        """What the text is read as."""
        return self.text.vocabulary.units

    @property
    def item(self) -> str:
        """What one of its units is called."""
        return ITEMS[self.units]

    @property
    def document_length(self) -> float | None:
        """Tokens of a document of the training split, on average; None of running text."""
        mark, train = self.text.vocabulary.document_id, self.text.split("train")
        return len(train) / int(np.count_nonzero(np.asarray(train) == mark)) if mark else None

    def score(self, model: RecurrentModel, split: str) -> TokenCrossEntropy:
        """The exact cross-entropy of every token after the first."""
        own, ids = cast("LanguageModel", model), self.text.split(split)
        scored = score(own, ids, units=self.units, world=self.world)
        assert scored is not None
        return scored

    def item_values(
        self,
        model: RecurrentModel,
        split: str,
        run: RunDirectory,
        report: ProgressCallback = ignore_progress,
    ) -> ItemValues:
        """The nats of each token after the first, or of stretches of a text with very many of them.

        Of documents, with the number of each one's.
        """
        vocabulary, ids = self.text.vocabulary, self.text.split(split)
        scored = (self.corpus["text_sha256"], list(self.splits[split]), sorted(vocabulary.entries))
        identity, mark = sha256_of(repr(scored)), vocabulary.document_id
        reads = cast("LanguageModel", model)
        if not mark:
            nats = totals(reads, ids, report=report)
            return ItemValues(nats.series, self.item, identity, series=True, each=nats.each)
        documents = np.cumsum(np.asarray(ids)[:-1] == mark)
        values = surprise(reads, ids, report)
        return ItemValues(values, self.item, identity, groups=documents, group="document")

    def baselines(self, split: str) -> Mapping[str, TokenCrossEntropy]:
        """Uniform, unigram, n-gram and xz."""
        train, vocabulary = self.text.split("train"), self.text.vocabulary
        return baselines(train, self.text.split(split), vocabulary)

    def illustrate(self, config: ModelConfig, weights: Arrays) -> str:
        """A short text drawn from the model, or some documents."""
        vocabulary = self.text.vocabulary
        engine = cpu_engine(config, weights)
        beginning = read(engine, [vocabulary.encode(vocabulary.likely_beginning)])
        sample = SAMPLES if vocabulary.document_id else SAMPLE
        return ", ".join(sample_texts(engine, vocabulary, beginning, sample))


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
    check_parent(settings, parent)
    reading = Reading(data.normalize, data.encoding, data.units, data.documents)
    if isinstance(source, Corpus | LargeCorpus):
        corpus = source.read_as(reading)
    else:
        corpus = open_corpus(source, reading, report=report)
    arranged, splits = split_text(corpus, data)
    min_count, added = data.min_count, tuple[str, ...]()
    train = arranged.counts(data.units, *splits.train)
    if parent is None:
        if data.units == WORDS and "min_count" not in settings.given:
            # Otherwise no <unk> would be in the training split, and none could be learned.
            min_count = WORDS_MIN_COUNT
        vocabulary = Vocabulary.of_tokens(train, data.units, min_count, data.max_vocabulary)
        if not set(vocabulary.entries) - {DOCUMENT}:
            raise SettingError("min_count", f"leaves no {ITEMS[data.units]} in the vocabulary.")
    else:
        vocabulary = parent.vocabulary
        if data.grow_vocabulary:
            vocabulary = grown_vocabulary(vocabulary, train, min_count)
            added = vocabulary.entries[len(parent.vocabulary.entries) :]
    text = EncodedText.of(arranged, vocabulary, splits)
    files = {VOCABULARY: vocabulary.to_json()}
    if corpus.needs_copy:
        files[TEXT] = corpus.text
    told = notices.before_training(corpus.notes, text, parent, added)
    about = description(corpus, arranged, splits)
    return TextDataset(text, about, told, files, min_count, corpus.encoding)


def reread_text(run: LanguageModelRun, source: Source, encoding: str | None) -> TextDataset:
    """Read the text of a run that is resumed.

    Raises:
        CharlmError: the text is missing or has changed.
    """
    moved = source is not None or encoding is not None
    corpus = find_moved_corpus(run, source, encoding) if moved else find_run_corpus(run)
    text = EncodedText.of(corpus, run.vocabulary, run.spans)
    return TextDataset(text, run.record.corpus, min_count=run.text_config.min_count)


def beginning(ids: TokenIds, most: int, document_id: int) -> TokenIds:
    """The first tokens, at most so many; of documents whole ones, at least one."""
    if not document_id:
        return ids[:most]
    marks = np.flatnonzero(np.asarray(ids) == document_id)
    last = max(int(np.searchsorted(marks, most, "right")) - 1, 1)
    return ids[: marks[last] + 1] if len(marks) > 1 else ids


def description(corpus: AnyCorpus, arranged: AnyCorpus, splits: Splits) -> dict[str, Any]:
    """The entry for a text in `run.json`: where to find it again, and how to recognize it.

    Args:
        arranged: the same in the order of its splits.
    """
    return {
        "name": corpus.name,
        "source": list(corpus.source),
        "normalization": corpus.normalization,
        "sha256": corpus.sha256,
        "characters_sha256": corpus.characters_sha256,
        "text_sha256": corpus.text_sha256,
        "beginning_sha256": beginning_sha256(arranged, splits),
        "lossless": corpus.lossless,
        "characters": corpus.characters,
    }
