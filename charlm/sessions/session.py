"""A training session: from a text to a run on the disk, told as events."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charlm.config import SamplingConfig, TrainConfig
from charlm.errors import RunError, TrainingError
from charlm.files.strict_json import finite
from charlm.generation.choice import cpu_engine
from charlm.generation.filters import NotFiniteError
from charlm.generation.sampler import sample_texts
from charlm.language_model import LanguageModel
from charlm.machine.threads import tuned_threads
from charlm.runs.directory import RunDirectory
from charlm.scoring.baselines import baselines
from charlm.scoring.exact import score
from charlm.scoring.score import Score
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.text.vocabulary import Ids
from charlm.training.events import Evaluated, Event, RolledBack, Stopped
from charlm.training.state import Snapshot
from charlm.training.task import never
from charlm.training.trainer import Trainer

SAMPLE = SamplingConfig(temperature=0.7, length=72, seed=0)
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and need not do anything about."""

    text: str


@dataclass(frozen=True)
class Chosen:
    """Settings that nobody gave by name, in words: a preset's, or a plan's and why."""

    text: str


@dataclass(frozen=True)
class Prepared:
    """The run is on the disk, and training begins."""

    run: RunDirectory


@dataclass(frozen=True)
class Sampled:
    """What the model writes at this point."""

    text: str


SessionEvent = Event | Notice | Chosen | Prepared | Sampled
Listener = Callable[[SessionEvent], None]


@dataclass
class Session:
    """A run and everything needed to train it further.

    Args:
        train, held_out: ids of the split that is trained on, and of what is scored along the way.
        snapshot: where to go on.
        before: the settings so far, where it goes on with others.
    """

    run: RunDirectory
    model: LanguageModel
    train: Ids
    held_out: Ids
    text: str
    snapshot: Snapshot | None = None
    before: TrainConfig | None = None

    def run_to_end(self, listener: Listener, should_stop: Callable[[], bool] = never) -> None:
        """Train until the end, saving on the way; afterwards the record holds the result.

        Raises:
            TrainingError: training diverged time and again; the run is usable all the same.
            RunError: the run cannot be written.
        """
        try:
            self._run(listener, should_stop)
        except BaseException as error:
            # Whatever ended it, the record must not say that it still runs.
            if self.run.record.status == "running":
                status = "failed" if isinstance(error, Exception) else "interrupted"
                with suppress(RunError):
                    self.run.update(status=status)
            raise

    def _run(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        device = next(self.model.parameters()).device
        config = self.run.record.settings.train
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            tuned_threads(device.type) as tuner,
        ):
            task = LanguageModeling(self.model, self.train, self.held_out, config)
            trainer = Trainer(task, config, self.snapshot, tuner=tuner)
            self.run.update(status="running")
            listener(Prepared(self.run))
            if self.before is not None:
                self._change(self.before, trainer, listener)
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
                    listener(self._sample(trainer.weights(event.weights)))
        assert stopped is not None
        self._conclude(stopped, listener)

    def _change(self, before: TrainConfig, trainer: Trainer, listener: Listener) -> None:
        """Go on with other settings, and say what becomes of the learning rate."""
        was = trainer.learning_rate_by(before)
        trainer.change_from(before)
        words = [f"{rate:.2g}" for rate in (was, trainer.learning_rate)]
        if words[0] != words[1]:
            cosine = trainer.config.schedule == "cosine"
            end = ", on a cosine that ends with the run" if cosine else ""
            listener(Notice(f"The learning rate was at {words[0]} and goes on at {words[1]}{end}."))

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
            "weights": event.weights,
        }
        if event.score is not None:
            row |= event.score.to_json()
        if len(event.scores) > 1:
            for kind, each in event.scores.items():
                row[f"{kind}_nats_per_character"] = each.nats_per_character
        # What resuming goes by comes last: whatever a crash leaves out before it is done again.
        if event.improved:
            self.run.save_best(arrays_of(trainer.weights(event.weights)))
        self.run.append_metrics(row)
        self._save_last(trainer)

    def _save_last(self, trainer: Trainer) -> None:
        snapshot = trainer.capture()
        self.run.save_last(*snapshot.arrays(), snapshot.scalars())

    def _sample(self, weights: Mapping[str, Tensor]) -> Sampled | Notice:
        engine = cpu_engine(self.model.config, arrays_of(weights))
        vocabulary = self.run.vocabulary
        prefix = vocabulary.encode(vocabulary.likely_beginning)
        try:
            return Sampled(sample_texts(engine, vocabulary, prefix, SAMPLE)[0])
        except NotFiniteError as error:
            return Notice(error.message)

    def _conclude(self, stopped: Stopped, listener: Listener) -> None:
        """Write down how it ended: the best weights' score, beside those of the baselines."""
        epoch = None if stopped.epoch_loss is None else Score(stopped.epoch_loss, 1).perplexity
        result: dict[str, Any] = {
            "seconds": stopped.seconds,
            "steps": stopped.step,
            "train_perplexity": epoch,
        }
        split = self.run.record.spans.held_out
        if stopped.reason != "interrupted" and split != "train":
            text = self.run.record.spans.of_text(self.text, split)
            ids = self.run.vocabulary.encode(text, unknown="replace")
            scores = baselines(self.train, ids, self.run.vocabulary)
            result["split"] = split
            result["score"] = self._best_score(split, ids, listener).to_json()
            result["baselines"] = {name: each.to_json() for name, each in scores.items()}
        result["peak_memory"] = peak_memory()
        self.run.update(status=stopped.reason, result=finite(result))
        if stopped.reason == "diverged":
            clips = self.run.record.settings.train.clip_norm > 0
            clip = "a lower --clip-norm" if clips else "a --clip-norm such as 1"
            raise TrainingError(
                f"Training diverged again and again; the run '{self.run.name}' keeps its last good "
                "state.",
                f"Train anew with a lower --learning-rate or {clip}.",
            )

    def _best_score(self, split: str, ids: Ids, listener: Listener) -> Score:
        """The score of the best weights, which is known if they were scored on all of the split."""
        known = [row for row in self.run.metrics() if row["best"] and row.get("nats") is not None]
        if split == "val" and known and len(ids) == len(self.held_out):
            return Score(known[-1]["nats"], known[-1]["characters"])
        listener(Notice(f"Scoring all {len(ids):,} held-out characters ({split})."))
        self.model.load_weights(self.run.load_weights())
        scored = score(self.model, ids)
        assert scored is not None
        return scored


def arrays_of(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: each.cpu().numpy() for name, each in weights.items()}


def peak_memory() -> int | None:
    """The most memory that this process has held so far, in bytes; None where nobody counts it."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def session_of(
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
