"""From a text and settings, or from a run that stopped, to a session that can go."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from charlm.config import ModelConfig, TrainConfig
from charlm.device import choose_device
from charlm.errors import SettingError, UsageError
from charlm.files import writing
from charlm.keywords import LimitKeywords
from charlm.model import LanguageModel
from charlm.passages import beginning_sha256
from charlm.planning import measured, plan
from charlm.presets import (
    LARGE_ALPHABET,
    LIMITS,
    Settings,
    as_options,
    for_small_text,
    overridden,
    sizes_are_open,
)
from charlm.record import Record
from charlm.relevance import check_on_device, check_relevant
from charlm.rnn.stack import choose_arithmetic, choose_backend
from charlm.rnn.windows import fit
from charlm.run_locks import make_run, remove_abandoned
from charlm.run_text import corpus_of, moved_corpus
from charlm.runs import ANOTHER_FOLDER, RunDirectory
from charlm.session import Chosen, Listener, Notice, Session
from charlm.sizes import check_training
from charlm.text.corpus import Corpus, Source, sha256_of
from charlm.text.splits import Splits, count
from charlm.text.vocabulary import UNKNOWN, Vocabulary, describe
from charlm.training.state import Counters, Snapshot
from charlm.version import __version__

IDENTITY = (
    "cell",
    "hidden_size",
    "num_layers",
    "embedding_size",
    "tie_weights",
    "reset_after",
    "layer_norm",
    "mogrifier_rounds",
    "mogrifier_rank",
)
# A smaller training split is trained on all the same.
LEAST_CHARACTERS = 2_000
RESUMABLE = tuple(LimitKeywords.__annotations__)


@contextmanager
def begin(
    corpus: Corpus,
    settings: Settings,
    *,
    folder: Path,
    name: str | None,
    parent: RunDirectory | None,
    explicit: Mapping[str, Any],
    adaptive: bool,
    device: str,
    backend: str,
    listener: Listener,
) -> Iterator[Session]:
    """A new run, on the disk and ready to train; nobody else writes to it meanwhile.

    Args:
        folder: of the runs.
        name: the run's; None makes one from the text's and the cell's.
        parent: the run whose weights and vocabulary it starts from.
        explicit: settings that were asked for by name, as against those of a preset.
        adaptive: choose sizes by the text, and by the time if one is given by name.

    Raises:
        CorpusError: the text is too short.
        UsageError: a name or setting that makes no sense.
    """
    where = choose_device(device)
    check_on_device(settings.train, explicit, where.type)
    splits = Splits.of(len(corpus.text), settings.data)
    text = splits.of_text(corpus.text, "train")
    if parent is None:
        vocabulary = Vocabulary.build(text, settings.data.min_count)
        if not vocabulary.characters:
            raise SettingError("min_count", "leaves no character in the vocabulary.")
        model_config = replace(settings.model, vocabulary_size=len(vocabulary))
    else:
        vocabulary = parent.vocabulary
        model_config = inherited(parent, explicit)
    asked = replace(settings, model=model_config)
    small = for_small_text(asked, explicit, len(text)) if adaptive and parent is None else {}
    if small:
        asked = overridden(asked, **small)
        listener(Chosen(f"For {count(len(text))} instead: {as_options(small)}"))
    model_config, train = asked.model, fitted(asked.train, len(text))
    shrunk = tuple(shrinkage(asked.train, train, len(text)))
    check_training(model_config, train, where)
    planned = "max_minutes" in explicit and sizes_are_open(explicit)
    if adaptive and parent is None and not small and planned:
        known = replace(asked, train=train)
        chosen, why = plan(known, explicit, len(text), measured(where, backend))
        model_config, train = chosen.model, chosen.train
        listener(Chosen(why))
        check_training(model_config, train, where)
    precision, chosen_backend = choose_arithmetic(model_config, where, train.precision, backend)
    initialization = train.initialization
    if initialization == "d2l":
        initialization = "normal" if chosen_backend == "scratch" else "uniform"
    train = replace(train, precision=precision, initialization=initialization)
    weights = None if parent is None else parent.load_weights()
    model = LanguageModel(model_config, chosen_backend)
    if weights is None:
        large = len(vocabulary) > LARGE_ALPHABET
        counts = (vocabulary.unknown_count, *vocabulary.counts) if large else ()
        model.initialize(train.initialization, train.seed, counts)
    else:
        model.load_weights(weights)
    # Before there is a run on the disk: the device may lack the memory.
    model = model.to(where)
    record = Record(
        name=name or "",
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
        model=model_config.to_json(),
        train=train.to_json(),
        parent=parent.name if parent else None,
    )

    def make(name: str) -> RunDirectory:
        named = replace(record, name=name)
        return RunDirectory.create(
            folder, named, vocabulary, corpus.text if corpus.unique else None
        )

    with writing(folder, ANOTHER_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    run, lock = make_run(folder, name, f"{corpus.name}-{model_config.cell}", make)
    with lock:
        notices = (*corpus.notes, *too_small(len(text), parent), *unknowns(corpus, run), *shrunk)
        for notice in (lock.problem, *notices):
            if notice:
                listener(Notice(notice))
        yield assemble(run, model, corpus.text)


def fitted(train: TrainConfig, characters: int) -> TrainConfig:
    """The settings, with windows that a text of this length fills."""
    batch_size, seq_length = fit(characters, train.batch_size, train.seq_length)
    return replace(train, batch_size=batch_size, seq_length=seq_length)


def shrinkage(asked: TrainConfig, got: TrainConfig, characters: int) -> Iterator[str]:
    """What `fitted` did to windows, for the user."""
    if (got.batch_size, got.seq_length) != (asked.batch_size, asked.seq_length):
        yield (
            f"The training split has {count(characters)}: batch size "
            f"{got.batch_size} and windows of {got.seq_length} in place of {asked.batch_size} and "
            f"{asked.seq_length}."
        )


def too_small(characters: int, parent: RunDirectory | None) -> Iterator[str]:
    """That a training split is too small to learn from, for the user."""
    if characters < LEAST_CHARACTERS and parent is None:
        yield (
            f"The training split has {count(characters)}: too few to learn to write from. Some ten "
            "thousand are a beginning."
        )


def unknowns(corpus: Corpus, run: RunDirectory) -> Iterator[str]:
    """Which characters the vocabulary lacks, for the user, where that is not by their own wish."""
    record = run.record
    # A vocabulary lacks of its own training split only what --min-count took out.
    splits = dict.fromkeys(("train", record.spans.held_out))
    for split in (each for each in splits if record.parent or each != "train"):
        unknown = run.vocabulary.unknown(record.spans.of_text(corpus.text, split))
        if unknown:
            where = "training split" if split == "train" else f"held-out split ({split})"
            whose = (
                f"the vocabulary of '{record.parent}'" if record.parent else "the training split"
            )
            yield (
                f"{count(sum(unknown.values()))} of the {where} not in {whose}, read as {UNKNOWN}: "
                f"{describe(unknown)}."
            )


def taken_over_from(parent: RunDirectory) -> dict[str, Any]:
    """Settings that a run which starts from another has from it, unless they are given by name."""
    settings = parent.record.settings
    return {
        "normalize": parent.record.corpus["normalization"],
        "cell": settings.model.cell,
        "min_count": settings.data.min_count,
        "initialization": settings.train.initialization,
    }


def inherited(parent: RunDirectory, explicit: Mapping[str, Any]) -> ModelConfig:
    """The parent's model, with the dropouts that were asked for.

    Raises:
        SettingError: something was asked for that the parent's weights cannot be.
    """
    theirs = parent.record.settings.model
    for setting in IDENTITY:
        if explicit.get(setting, getattr(theirs, setting)) != getattr(theirs, setting):
            raise SettingError(
                setting,
                f"is {getattr(theirs, setting)} in the run '{parent.name}' that this one starts "
                "from: leave it out.",
            )
    names = ModelConfig.names()
    return replace(theirs, **{n: v for n, v in explicit.items() if n in names})


def assemble(
    run: RunDirectory,
    model: LanguageModel,
    text: str,
    snapshot: Snapshot | None = None,
    before: TrainConfig | None = None,
) -> Session:
    """A session over a run's splits; what is scored on the way is the beginning of val."""
    spans = run.record.spans
    train, held_out = (
        run.vocabulary.encode(spans.of_text(text, split), unknown="replace")
        for split in ("train", "val")
    )
    held_out = held_out[: run.record.settings.train.eval_characters]
    return Session(run, model, train, held_out, text, snapshot, before)


def go_on(
    run: RunDirectory,
    text_at: Source,
    encoding: str | None,
    device: str,
    backend: str,
    changes: dict[str, Any],
) -> Session:
    """The session of an interrupted run, where it stopped.

    Args:
        text_at: where its text is now; None: where it was.
        encoding: of that text; None: as before.
        changes: settings to change; only those of RESUMABLE can.

    Raises:
        RunError: the run, or its text, is not what it was.
        UsageError: a setting that cannot change, or a run that is finished.
    """
    for setting in changes:
        if setting not in RESUMABLE:
            raise SettingError(
                setting,
                f"cannot change when a run goes on; {', '.join(RESUMABLE)} can.",
                RESUMABLE,
            )
    snapshot = Snapshot.from_arrays(*run.load_last())
    before = run.record.settings
    if changes.keys() & set(LIMITS):
        # As at the start: a limit given by name replaces the others.
        changes = dict.fromkeys(LIMITS) | changes
    settings = overridden(before, **changes)
    check_relevant(settings, changes, inherits=False)
    over = reached(settings.train, snapshot.counters)
    if run.record.status in ("done", "patience") and over:
        steps = count(snapshot.counters.step, "step")
        raise UsageError(
            f"The run '{run.name}' is finished: after {steps} it has reached {as_options(over)}.",
            "To train it longer, give a higher --max-steps, --epochs or --max-minutes."
            if "patience" not in over
            else "To train it longer, give a higher --patience.",
        )
    moved = text_at is not None or encoding is not None
    text = (moved_corpus(run, text_at, encoding) if moved else corpus_of(run)).text
    where = choose_device(device)
    check_training(settings.model, settings.train, where, "Go on where there is more memory.")
    if backend == "auto" and run.record.device == str(where):
        # Another backend rounds differently, and would not go on bit for bit.
        backend = run.record.backend
    backend = choose_backend(settings.model, backend, where.type, settings.train.precision)
    model = LanguageModel(settings.model, backend).to(where)
    # A run that diverged is resumed by someone who knows, perhaps with another learning rate.
    snapshot.counters.rollbacks = 0
    run.update(train=settings.train.to_json(), device=str(where), backend=model.rnn.backend)
    run.forget_metrics_after(snapshot.counters.step)
    changed = settings.train != before.train
    return assemble(run, model, text, snapshot, before.train if changed else None)


def reached(config: TrainConfig, counters: Counters) -> dict[str, float]:
    """Those of a run's limits that it has reached, patience among them."""
    done = {
        "max_steps": counters.step,
        "epochs": counters.epoch,
        "max_minutes": counters.seconds / 60,
        "patience": counters.stale,
    }
    limits = {name: getattr(config, name) for name in done}
    return {
        name: limit for name, limit in limits.items() if limit is not None and done[name] >= limit
    }
