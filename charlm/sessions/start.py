"""From a text and settings to a session that is ready to train."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.files.whole import writing
from charlm.language_model import LanguageModel
from charlm.machine.device import choose_device
from charlm.presets import LARGE_ALPHABET, Settings, as_options, for_small_text, overridden
from charlm.rnn.backends.choice import choose_precision_and_backend
from charlm.runs.directory import ANOTHER_FOLDER, RunDirectory
from charlm.runs.evaluation_text import beginning_sha256
from charlm.runs.locks import make_run, remove_abandoned
from charlm.runs.record import Record
from charlm.sessions import notices
from charlm.sessions.planning import measured, plan
from charlm.sessions.relevance import check_on_device
from charlm.sessions.session import Chosen, Listener, Notice, Session, session_of
from charlm.sessions.sizes import check_training
from charlm.tasks.language_modeling.windows import fit
from charlm.text.corpus import Corpus, sha256_of
from charlm.text.splits import Splits, count
from charlm.text.vocabulary import Vocabulary
from charlm.version import __version__


@contextmanager
def start_session(
    corpus: Corpus,
    settings: Settings,
    *,
    folder: Path,
    name: str | None = None,
    parent: RunDirectory | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: Listener = lambda event: None,
) -> Iterator[Session]:
    """A new run, on the disk and ready to train; nobody else writes to it meanwhile.

    Args:
        folder: of the runs.
        name: the run's; None makes one from the text's and the cell's.
        parent: the run whose weights and vocabulary it starts from.
        device, backend: by name.
        listener: told what was chosen and what the user should know.

    Raises:
        CorpusError: the text is too short.
        UsageError: a name or setting that makes no sense.
    """
    where = choose_device(device)
    check_on_device(settings, where.type)
    splits = Splits.of(len(corpus.text), settings.data)
    text = splits.of_text(corpus.text, "train")
    vocabulary = make_vocabulary(text, settings) if parent is None else parent.vocabulary
    settings = sized(settings, vocabulary, parent)
    if parent is None:
        settings = adapted_to_text(settings, len(text), listener)
    asked, settings = settings, fitted(settings, len(text))
    shrunk = tuple(notices.smaller_windows(asked.train, settings.train, len(text)))
    check_training(settings.model, settings.train, where)
    if parent is None:
        settings = planned_for_time(settings, len(text), where, backend, listener)
    settings, backend_name = with_arithmetic(settings, where, backend)
    model = make_model(settings, vocabulary, parent, backend_name)
    # Before there is a run on the disk: the device may lack the memory.
    model = model.to(where)
    record = describe(corpus, splits, settings, model, where, parent)
    run, lock = create(folder, name, record, vocabulary, corpus)
    with lock:
        for notice in (
            *([lock.problem] if lock.problem else []),
            *corpus.notes,
            *(notices.too_small(len(text)) if parent is None else ()),
            *notices.unknown_characters(corpus, run),
            *shrunk,
            *(notices.slow_cell(model) if backend == "auto" else ()),
        ):
            listener(Notice(notice))
        yield session_of(run, model, corpus.text)


def make_vocabulary(text: str, settings: Settings) -> Vocabulary:
    """The vocabulary of a training split.

    Raises:
        SettingError: no character is frequent enough.
    """
    vocabulary = Vocabulary.build(text, settings.data.min_count)
    if not vocabulary.characters:
        raise SettingError("min_count", "leaves no character in the vocabulary.")
    return vocabulary


def sized(settings: Settings, vocabulary: Vocabulary, parent: RunDirectory | None) -> Settings:
    """The settings with the model's sizes: of this vocabulary, or the parent's.

    Raises:
        SettingError: something was asked for that the parent's weights cannot be.
    """
    if parent is None:
        return replace(settings, model=replace(settings.model, vocabulary_size=len(vocabulary)))
    given, theirs = settings.given, parent.record.settings.model
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


def adapted_to_text(settings: Settings, characters: int, listener: Listener) -> Settings:
    """The settings for a training split of so many characters, where sizes may follow it."""
    small = for_small_text(settings, characters) if settings.adapts else {}
    if small:
        listener(Chosen(f"For {count(characters)} instead: {as_options(small)}"))
    return overridden(settings, **small)


def fitted(settings: Settings, characters: int) -> Settings:
    """The settings, with windows that a text of this length fills."""
    train = settings.train
    batch_size, seq_length = fit(characters, train.batch_size, train.seq_length)
    return replace(settings, train=replace(train, batch_size=batch_size, seq_length=seq_length))


def planned_for_time(
    settings: Settings, characters: int, where: torch.device, backend: str, listener: Listener
) -> Settings:
    """The settings for the minutes that were given by name, where sizes may follow them."""
    asked = settings.sizes_are_open and "max_minutes" in settings.given
    if not asked or for_small_text(settings, characters):
        return settings
    planned, why = plan(settings, characters, measured(where, backend))
    listener(Chosen(why))
    check_training(planned.model, planned.train, where)
    return planned


def with_arithmetic(settings: Settings, where: torch.device, backend: str) -> tuple[Settings, str]:
    """The settings with what "auto" and "d2l" stand for here, and the backend's name."""
    precision, name = choose_precision_and_backend(
        settings.model, where, settings.train.precision, backend
    )
    initialization = settings.train.initialization
    if initialization == "d2l":
        initialization = "normal" if name == "scratch" else "uniform"
    train = replace(settings.train, precision=precision, initialization=initialization)
    return replace(settings, train=train), name


def make_model(
    settings: Settings, vocabulary: Vocabulary, parent: RunDirectory | None, backend: str
) -> LanguageModel:
    """A model with weights drawn anew, or with the parent's."""
    weights = None if parent is None else parent.load_weights()
    model = LanguageModel(settings.model, backend)
    if weights is not None:
        model.load_weights(weights)
        return model
    large = len(vocabulary) > LARGE_ALPHABET
    counts = (vocabulary.unknown_count, *vocabulary.counts) if large else ()
    model.initialize(settings.train.initialization, settings.train.seed, counts)
    return model


def describe(
    corpus: Corpus,
    splits: Splits,
    settings: Settings,
    model: LanguageModel,
    where: torch.device,
    parent: RunDirectory | None,
) -> Record:
    """What `run.json` says at the beginning."""
    return Record(
        name="",
        created=datetime.now(UTC).isoformat(),
        charlm=__version__,
        torch=str(torch.__version__),
        backend=model.rnn.backend,
        device=str(where),
        parameters=model.parameter_count,
        corpus={
            "name": corpus.name,
            "source": list(corpus.source),
            "normalization": corpus.normalization,
            "sha256": corpus.sha256,
            "characters_sha256": corpus.characters_sha256,
            "text_sha256": sha256_of(corpus.text),
            "beginning_sha256": beginning_sha256(corpus.text, splits),
            "lossless": corpus.lossless,
            "characters": len(corpus.text),
        },
        splits={split: list(splits.span(split)) for split in ("train", "val", "test")},
        data=replace(settings.data, normalize=corpus.normalization).to_json(),
        model=settings.model.to_json(),
        train=settings.train.to_json(),
        parent=parent.name if parent else None,
    )


def create(
    folder: Path, name: str | None, record: Record, vocabulary: Vocabulary, corpus: Corpus
) -> tuple[RunDirectory, Any]:
    """The run on the disk, under its name or one that is made, and the lock on it.

    Raises:
        UsageError: the name is taken or makes no folder name.
        RunError: the folder cannot be written.
    """
    text = corpus.text if corpus.unique else None

    def make(free: str) -> RunDirectory:
        return RunDirectory.create(folder, replace(record, name=free), vocabulary, text)

    with writing(folder, ANOTHER_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    return make_run(folder, name, f"{corpus.name}-{record.model['cell']}", make)


def inherited_settings(parent: RunDirectory) -> dict[str, Any]:
    """Settings that a run which starts from another has from it, unless they are given by name."""
    settings = parent.record.settings
    return {
        "normalize": parent.record.corpus["normalization"],
        "cell": settings.model.cell,
        "min_count": settings.data.min_count,
        "initialization": settings.train.initialization,
    }
