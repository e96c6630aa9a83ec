"""A training session: a run and its data, trained to the end, told as events."""

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
from charlm.tasks.task import Dataset, Task
from charlm.training.events import Evaluated, Event, RolledBack, Stopped
from charlm.training.state import Snapshot
from charlm.training.task import never
from charlm.training.trainer import Trainer

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
    task: Task


@dataclass(frozen=True)
class Illustrated:
    """What the task has to show at this point, such as a text that the model writes."""

    text: str


SessionEvent = Event | Notice | Chosen | Prepared | Illustrated
Listener = Callable[[SessionEvent], None]


@dataclass
class Session:
    """A run and everything needed to train it further.

    Args:
        snapshot: where to go on.
        before: the settings so far, where it goes on with others.
    """

    task: Task
    run: RunDirectory
    model: RecurrentModel
    dataset: Dataset
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
        config = self.run.settings.train
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            tuned_threads(device.type) as tuner,
        ):
            training = self.dataset.training_task(self.model, config)
            trainer = Trainer(training, config, self.snapshot, tuner=tuner)
            self.run.update(status="running")
            listener(Prepared(self.run, self.task))
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
        """Go on with other settings, and say what becomes of the learning rate."""
        was = trainer.learning_rate_with(before)
        trainer.adopt_settings(before)
        words = [f"{rate:.2g}" for rate in (was, trainer.learning_rate)]
        if words[0] != words[1]:
            cosine = trainer.config.schedule == "cosine"
            end = ", on a cosine that ends with the run" if cosine else ""
            listener(Notice(f"The learning rate was at {words[0]} and goes on at {words[1]}{end}."))

    def _save_evaluation(self, event: Evaluated, trainer: Trainer) -> None:
        """Write the weights, if they are the best yet, a row of metrics, and the state."""
        task = self.task
        row = {
            "step": event.step,
            "epoch": event.epoch,
            "progress": event.progress,
            f"train_{task.loss_name}": event.loss,
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
        # What resuming goes by comes last: whatever a crash leaves out before it is done again.
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
        """Write down how it ended: the best weights' score, beside those of the baselines."""
        first = self.task.score_type.figures[0].key
        loss = stopped.epoch_loss
        result: dict[str, Any] = {
            "seconds": stopped.seconds,
            "steps": stopped.step,
            f"train_{first}": None if loss is None else self.task.figures_of_loss(loss).get(first),
        }
        split = self.dataset.split
        if stopped.reason != "interrupted" and split != "train":
            baselines = self.dataset.baselines(split)
            result["split"] = split
            result["score"] = self._best_score(split, listener).to_json()
            result["baselines"] = {name: each.to_json() for name, each in baselines.items()}
        result["peak_memory"] = peak_memory()
        self.run.update(status=stopped.reason, result=finite(result))
        if stopped.reason == "diverged":
            clips = self.run.settings.train.clip_norm > 0
            clip = "a lower --clip-norm" if clips else "a --clip-norm such as 1"
            raise TrainingError(
                f"Training diverged again and again; the run '{self.run.name}' keeps its last good "
                "state.",
                f"Train anew with a lower --learning-rate or {clip}.",
            )

    def _best_score(self, split: str, listener: Listener) -> Score:
        """The score of the best weights, which is known if they were scored on all of the split."""
        scored = [row for row in self.run.metrics() if row.get(self.task.loss_name) is not None]
        best = [row for row in scored if row["best"]]
        if split == "val" and best and self.dataset.scores_all_of_val(self.run.settings.train):
            return self.task.score_type.from_json(best[-1])
        items = f"{self.dataset.size(split):,} held-out {self.task.item}s"
        listener(Notice(f"Scoring all {items} ({split})."))
        self.model.load_weights(self.run.load_weights())
        return self.dataset.score(self.model, split)


def arrays_of(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Weights as NumPy arrays."""
    return {name: each.cpu().numpy() for name, each in weights.items()}


def peak_memory() -> int | None:
    """The most memory that this process has held so far, in bytes; None where nobody counts it."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
