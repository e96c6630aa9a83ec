"""A training session: trains a run to the end, saves it on the way, and reports events."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charlm.config import TrainConfig
from charlm.errors import CharlmError, RunError, TrainingError
from charlm.files.strict_json import finite
from charlm.machine.threads import tuned_threads
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score
from charlm.tasks.dataset import Dataset
from charlm.tasks.task import Task
from charlm.training.events import Evaluated, Event, RolledBack, Stopped
from charlm.training.state import Snapshot
from charlm.training.task import never
from charlm.training.trainer import Trainer

SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Notice:
    """A sentence that the user should see; no action is needed."""

    text: str


@dataclass(frozen=True)
class Chosen:
    """A sentence about settings that were chosen for the user, by a preset or a plan."""

    text: str


@dataclass(frozen=True)
class Prepared:
    """The run is on disk, and training begins.

    Args:
        step: steps taken so far, by a run that goes on.
    """

    run: RunDirectory
    task: Task
    step: int = 0


@dataclass(frozen=True)
class Illustrated:
    """Something that the task shows of the model so far, such as a text that it writes."""

    text: str


@dataclass(frozen=True)
class Concluded:
    """Training is over, whatever ended it, and the run's record holds the status and the result."""

    run: RunDirectory


SessionEvent = Event | Notice | Chosen | Prepared | Illustrated | Concluded
Listener = Callable[[SessionEvent], None]


@dataclass
class Session:
    """A run and everything needed to train it.

    Args:
        snapshot: state to resume from; None for a new run.
        before: the training settings until now, if resuming changes them.
    """

    task: Task
    run: RunDirectory
    model: RecurrentModel
    dataset: Dataset
    snapshot: Snapshot | None = None
    before: TrainConfig | None = None

    def run_to_end(self, listener: Listener, should_stop: Callable[[], bool] = never) -> None:
        """Train to the end, saving on the way; afterwards the record holds the result.

        Args:
            listener: called with every event.
            should_stop: asked after every step; once it returns True, training ends.

        Raises:
            TrainingError: training kept diverging; the run is usable nevertheless.
            RunError: the run cannot be written.
        """
        try:
            self._run(listener, should_stop)
        except BaseException as error:
            # Whatever the error, the record must not say that the run is still training.
            if self.run.record.status == "running":
                status = "failed" if isinstance(error, Exception) else "interrupted"
                with suppress(RunError):
                    self.run.update(status=status)
            raise

    def _run(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        device = next(self.model.parameters()).device
        config = self.run.settings.train
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            tuned_threads(device.type) as tuner,
        ):
            # Before the trainer's clock starts: what a listener prepares is no training time.
            step = 0 if self.snapshot is None else self.snapshot.counters.step
            listener(Prepared(self.run, self.task, step))
            training = self.dataset.training_task(self.model, config)
            trainer = Trainer(training, config, self.snapshot, tuner=tuner)
            self.run.update(status="running")
            if self.before is not None:
                self._adopt_settings(self.before, trainer, listener)
            saved = trainer.clock()
            stopped = None
            for event in trainer.run(should_stop):
                if isinstance(event, Evaluated):
                    self._save_evaluation(event, trainer)
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
                    self._illustrate(trainer.weights(event.weights), listener)
        assert stopped is not None
        self._conclude(stopped, listener)

    def _adopt_settings(self, before: TrainConfig, trainer: Trainer, listener: Listener) -> None:
        """Continue with changed settings, and say so if the learning rate changes."""
        was = trainer.learning_rate_with(before)
        trainer.adopt_settings(before)
        words = [f"{rate:.2g}" for rate in (was, trainer.learning_rate)]
        if words[0] != words[1]:
            cosine = trainer.config.schedule == "cosine"
            end = ", on a cosine that ends with the run" if cosine else ""
            listener(Notice(f"The learning rate was at {words[0]} and goes on at {words[1]}{end}."))

    def _save_evaluation(self, event: Evaluated, trainer: Trainer) -> None:
        """Save the weights if they are the best so far, a metrics row, and the training state."""
        task = self.task
        row = {
            "step": event.step,
            "epoch": event.epoch,
            "progress": event.progress,
            f"train_{task.loss_name}": event.loss,
            f"trained_{task.item}s": event.items,
            "gradient_norm": event.gradient_norm,
            "learning_rate": event.learning_rate,
            f"{task.item}s_per_second": event.items_per_second,
            "seconds": event.seconds,
            "best": event.improved,
            "weights": event.weights,
        }
        if event.score is not None:
            row |= event.score.to_json()
        if len(event.scores) > 1:
            for kind, each in event.scores.items():
                row[f"{kind}_{task.loss_name}"] = each.loss
        # The training state comes last: if there is a crash before that, resuming repeats it all.
        if event.improved:
            self.run.save_best(arrays_of(trainer.weights(event.weights)))
        self.run.append_metrics(row)
        self._save_last(trainer)

    def _save_last(self, trainer: Trainer) -> None:
        snapshot = trainer.capture()
        self.run.save_last(*snapshot.arrays(), snapshot.scalars())

    def _illustrate(self, weights: Mapping[str, Tensor], listener: Listener) -> None:
        try:
            shown = self.dataset.illustrate(self.model.config, arrays_of(weights))
        except CharlmError as error:
            listener(Notice(error.message))
        else:
            if shown is not None:
                listener(Illustrated(shown))

    def _conclude(self, stopped: Stopped, listener: Listener) -> None:
        """Record how training ended: the score of the best weights, and those of the baselines."""
        loss, figure = stopped.epoch_loss, self.task.train_figure
        told = None if loss is None else {"loss": loss, **self.task.figures_of_loss(loss)}
        result: dict[str, Any] = {
            "seconds": stopped.seconds,
            "steps": stopped.step,
            f"train_{figure}": told and told[figure],
        }
        split = self.dataset.split
        if stopped.reason != "interrupted" and split != "train":
            result["split"] = split
            result["score"] = self._best_score(split, listener).to_json()
            baselines = self.dataset.baselines(split)
            result["baselines"] = {name: each.to_json() for name, each in baselines.items()}
            self.model.load_weights(self.run.load_weights())
            result |= self.dataset.finish(self.model, split, self.run)
        result["peak_memory"] = peak_memory()
        self.run.update(status=stopped.reason, result=finite(result))
        listener(Concluded(self.run))
        if stopped.reason == "diverged":
            clips = self.run.settings.train.clip_norm > 0
            clip = "a lower --clip-norm" if clips else "a --clip-norm such as 1"
            raise TrainingError(
                f"Training diverged again and again; the run '{self.run.name}' keeps its last good "
                "state.",
                f"Train anew with a lower --learning-rate or {clip}.",
            )

    def _best_score(self, split: str, listener: Listener) -> Score:
        """The score of the best weights, from the metrics if those cover the whole split."""
        scored = [row for row in self.run.metrics() if row.get(self.task.loss_name) is not None]
        best = [row for row in scored if row["best"]]
        if split == "val" and best and self.dataset.scores_all_of_val(self.run.settings.train):
            return self.task.score_type.from_json(best[-1])
        items = f"{self.dataset.size(split):,} held-out {self.task.item}s"
        listener(Notice(f"Scoring all {items} ({split})."))
        self.model.load_weights(self.run.load_weights())
        return self.dataset.score(self.model, split)


def arrays_of(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Weights as NumPy arrays by name."""
    return {name: each.cpu().numpy() for name, each in weights.items()}


def peak_memory() -> int | None:
    """Peak memory of this process so far, in bytes; None if the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
