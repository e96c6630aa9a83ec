"""A training session: from a text to a run on the disk, told as events."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

import charlm
from charlm.baselines import baselines
from charlm.config import ModelConfig, SamplingConfig
from charlm.device import choose_device, choose_precision
from charlm.errors import CorpusError, RunError, SettingError, TrainingError, UsageError
from charlm.evaluation import score
from charlm.generation.engines import NumpyEngine
from charlm.generation.sampler import sample_texts
from charlm.metrics import Score
from charlm.model import LanguageModel
from charlm.presets import Settings, overridden
from charlm.rnn.stack import choose_backend
from charlm.rnn.windows import fit
from charlm.runs import Record, RunDirectory
from charlm.text.corpus import Corpus, Splits, count, open_corpus
from charlm.text.vocabulary import UNKNOWN, Ids, Vocabulary, describe
from charlm.training.events import Evaluated, Event, RolledBack, Stopped
from charlm.training.language_modeling import LanguageModeling
from charlm.training.state import Snapshot
from charlm.training.trainer import Trainer, never

SAMPLE = SamplingConfig(temperature=0.7, length=72, seed=0)
SAVE_SECONDS = 60.0
IDENTITY = ("cell", "hidden_size", "num_layers", "embedding_size", "tie_weights", "reset_after")
RESUMABLE = ("epochs", "max_steps", "max_minutes", "patience", "eval_every", "learning_rate")


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and need not do anything about."""

    text: str


@dataclass(frozen=True)
class Prepared:
    """The run is on the disk, and training begins."""

    run: RunDirectory


@dataclass(frozen=True)
class Sampled:
    """What the model writes at this point."""

    text: str


SessionEvent = Event | Notice | Prepared | Sampled
Listener = Callable[[SessionEvent], None]


def ignore(_: SessionEvent) -> None:
    pass


@dataclass
class Session:
    """A run and everything needed to train it further.

    Args:
        train, held_out: ids of the split that is trained on, and of the one scored along the way.
    """

    run: RunDirectory
    model: LanguageModel
    train: Ids
    held_out: Ids
    text: str
    snapshot: Snapshot | None = None

    def go(self, listener: Listener, should_stop: Callable[[], bool] = never) -> None:
        """Train until the end, saving on the way; afterwards the record holds the result.

        Raises:
            TrainingError: training diverged time and again; the run is usable all the same.
            RunError: the run cannot be written.
        """
        device = next(self.model.parameters()).device
        config = self.run.record.settings.train
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            task = LanguageModeling(self.model, self.train, self.held_out, config)
            trainer = Trainer(task, config, self.snapshot)
            self.run.update(status="running")
            listener(Prepared(self.run))
            saved = trainer.clock()
            stopped = None
            for event in trainer.run(should_stop):
                if isinstance(event, Evaluated):
                    self._keep(event, trainer)
                elif isinstance(event, RolledBack):
                    self.run.forget_metrics_after(event.to_step)
                elif isinstance(event, Stopped):
                    stopped = event
                    self._save_last(trainer)
                elif trainer.clock() - saved > SAVE_SECONDS:
                    self._save_last(trainer)
                    saved = trainer.clock()
                listener(event)
                if isinstance(event, Evaluated):
                    saved = trainer.clock()
                    listener(Sampled(self._sample()))
        assert stopped is not None
        self._conclude(stopped)

    def _keep(self, event: Evaluated, trainer: Trainer) -> None:
        row = {
            "step": event.step,
            "epoch": event.epoch,
            "progress": event.progress,
            "train_nats_per_character": event.loss,
            "gradient_norm": event.gradient_norm,
            "learning_rate": event.learning_rate,
            "characters_per_second": event.items_per_second,
            "seconds": event.seconds,
            "best": event.improved,
        }
        if event.score is not None:
            row |= event.score.to_json()
        # Weights first: a row without its weights would mislead, weights without a row do not.
        if event.improved:
            self.run.save_best(self._arrays())
        self._save_last(trainer)
        self.run.append_metrics(row)

    def _save_last(self, trainer: Trainer) -> None:
        snapshot = trainer.capture()
        self.run.save_last(*snapshot.arrays(), snapshot.scalars())

    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        return {name: each.cpu().numpy() for name, each in self.model.weights().items()}

    def _sample(self) -> str:
        engine = NumpyEngine(self.model.config, self._arrays())
        vocabulary = self.run.vocabulary
        prefix = vocabulary.encode(default_prefix(vocabulary))
        return sample_texts(engine, vocabulary, prefix, SAMPLE)[0]

    def _conclude(self, stopped: Stopped) -> None:
        """Score the best weights on what is held out, beside the baselines, and write it down."""
        record = self.run.record
        result: dict[str, Any] = {
            "seconds": stopped.seconds,
            "steps": stopped.step,
            "train_perplexity": None
            if stopped.epoch_loss is None
            else Score(stopped.epoch_loss, 1).perplexity,
        }
        if stopped.reason != "interrupted":
            split = record.spans.held_out
            if split != "train":
                ids = self.run.vocabulary.encode(
                    record.spans.of_text(self.text, split), unknown="replace"
                )
                weights = self.run.load_weights()
                self.model.load_weights({n: torch.from_numpy(w) for n, w in weights.items()})
                held_out = score(self.model, ids)
                assert held_out is not None
                result["split"] = split
                result["score"] = held_out.to_json()
                others = baselines(self.train, ids, self.run.vocabulary)
                result["baselines"] = {name: each.to_json() for name, each in others.items()}
        self.run.update(status=stopped.reason, result=result)
        if stopped.reason == "diverged":
            raise TrainingError(
                f"Training diverged again and again; the run '{self.run.name}' keeps its last good "
                "state.",
                "Train anew with a lower --learning-rate or a lower --clip-norm.",
            )


def default_prefix(vocabulary: Vocabulary) -> str:
    """Where a text may begin if nobody says: a line end, a space, else the commonest character."""
    return next((each for each in "\n " if each in vocabulary), vocabulary.characters[0])


def begin(
    corpus: Corpus,
    settings: Settings,
    name: Callable[[], str],
    folder: Any,
    device: str,
    backend: str,
    parent: RunDirectory | None,
    explicit: dict[str, Any],
    listener: Listener,
) -> Session:
    """A new run, on the disk and ready to train.

    Args:
        name: gives the run's name, once all else is known to be right.
        parent: the run whose weights and vocabulary it starts from.
        explicit: settings that were asked for by name, as against those of a preset.

    Raises:
        CorpusError: the text is too short.
        UsageError: a name or setting that makes no sense.
    """
    where = choose_device(device)
    for note in corpus.notes:
        listener(Notice(note))
    splits = Splits.of(len(corpus.text), settings.data)
    text = splits.of_text(corpus.text, "train")
    if parent is None:
        vocabulary = Vocabulary.build(text, settings.data.min_count)
        model_config = replace(settings.model, vocabulary_size=len(vocabulary))
        if len(vocabulary) == 1:
            raise SettingError("min_count", "leaves no character in the vocabulary.")
    else:
        vocabulary = parent.vocabulary
        model_config = inherited(parent, explicit)
    for split in ("train", splits.held_out):
        unknown = vocabulary.unknown(splits.of_text(corpus.text, split))
        if unknown and (parent is not None or split != "train"):
            listener(Notice(explain_unknown(split, unknown, parent)))
    train = settings.train
    batch_size, seq_length = fit(len(text), train.batch_size, train.seq_length)
    if (batch_size, seq_length) != (train.batch_size, train.seq_length):
        listener(
            Notice(
                f"The training split has {count(len(text))}: batch size {batch_size} and windows "
                f"of {seq_length} in place of {train.batch_size} and {train.seq_length}."
            )
        )
    train = replace(
        train,
        batch_size=batch_size,
        seq_length=seq_length,
        precision=choose_precision(train.precision, where),
    )
    chosen = choose_backend(model_config, backend)
    model = LanguageModel(model_config, chosen)
    if parent is None:
        model.initialize(train.initialization, train.seed)
    else:
        model.load_weights({n: torch.from_numpy(w) for n, w in parent.load_weights().items()})
    record = Record(
        name=name(),
        created=datetime.now(UTC).isoformat(),
        charlm=charlm.__version__,
        torch=str(torch.__version__),
        backend=chosen,
        device=str(where),
        parameters=model.parameter_count,
        corpus={
            "name": corpus.name,
            "source": list(corpus.source),
            "normalization": corpus.normalization,
            "sha256": corpus.sha256,
            "characters": len(corpus.text),
        },
        splits={split: list(splits.span(split)) for split in ("train", "val", "test")},
        data=replace(settings.data, normalize=corpus.normalization).to_json(),
        model=model_config.to_json(),
        train=train.to_json(),
        parent=parent.name if parent else None,
    )
    # A text from standard input or from a Python string can be read nowhere else again.
    unique = not corpus.source or corpus.source == ("-",)
    run = RunDirectory.create(folder, record, vocabulary, corpus.text if unique else None)
    return assemble(run, model.to(where), corpus.text)


def inherited(parent: RunDirectory, explicit: dict[str, Any]) -> ModelConfig:
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


def explain_unknown(split: str, unknown: dict[str, int], parent: RunDirectory | None) -> str:
    where = "training split" if split == "train" else f"held-out split ({split})"
    whose = f"the vocabulary of '{parent.name}'" if parent else "the training split"
    return (
        f"{count(sum(unknown.values()))} of the {where} not in {whose}, read as {UNKNOWN}: "
        f"{describe(unknown)}."
    )


def assemble(
    run: RunDirectory, model: LanguageModel, text: str, snapshot: Snapshot | None = None
) -> Session:
    """A session over a run's splits; what is scored on the way is val, if it is not empty."""
    spans = run.record.spans
    train, held_out = (
        run.vocabulary.encode(spans.of_text(text, split), unknown="replace")
        for split in ("train", "val")
    )
    return Session(run, model, train, held_out, text, snapshot)


def go_on(run: RunDirectory, device: str, backend: str, changes: dict[str, Any]) -> Session:
    """The session of an interrupted run, where it stopped.

    Args:
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
            )
    weights, tensors, scalars = run.load_last()
    snapshot = Snapshot.from_arrays(weights, tensors, scalars)
    settings = overridden(run.record.settings, **changes)
    config = settings.train
    if (
        finished(config.max_steps, snapshot.counters.step)
        or finished(config.epochs, snapshot.counters.epoch)
        or finished(config.max_minutes, snapshot.counters.seconds / 60)
    ):
        raise UsageError(
            f"The run '{run.name}' is finished: {snapshot.counters.step:,} steps.",
            "To train it longer, give a higher --max-steps, --epochs or --max-minutes.",
        )
    text = corpus_of(run).text
    where = choose_device(device)
    model = LanguageModel(settings.model, choose_backend(settings.model, backend)).to(where)
    # A run that diverged is resumed by someone who knows, perhaps with another learning rate.
    snapshot.counters.rollbacks = 0
    run.update(train=settings.train.to_json(), device=str(where), backend=model.rnn.backend)
    run.forget_metrics_after(snapshot.counters.step)
    return assemble(run, model, text, snapshot)


def finished(limit: float | None, reached: float) -> bool:
    return limit is not None and reached >= limit


def corpus_of(run: RunDirectory) -> Corpus:
    """The text that a run was trained on, found again.

    Raises:
        RunError: it is gone, or not the same any more.
    """
    about = run.record.corpus
    text = run.corpus_text
    if text is not None:
        return Corpus(about["name"], text, about["normalization"], about["sha256"])
    try:
        corpus = open_corpus(
            about["source"],
            normalization=about["normalization"],
            encoding=run.record.settings.data.encoding,
        )
    except CorpusError as error:
        raise RunError(
            f"The text that '{run.name}' was trained on cannot be read: {error.message}",
            "Put it back, or name a text to score: charlm eval FILE",
        ) from None
    if corpus.sha256 != about["sha256"]:
        raise RunError(
            f"The text that '{run.name}' was trained on has changed since.",
            "Put the old one back, or name a text to score: charlm eval FILE",
        )
    return corpus
