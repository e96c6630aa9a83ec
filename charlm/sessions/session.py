"""A training session: trains a run to the end, saves it on the way, and reports events."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from charlm.config import TrainConfig
from charlm.distributed.launcher import as_many_as
from charlm.distributed.world import ALONE, LostProcessError, World
from charlm.errors import CharlmError, RunError, TrainingError
from charlm.files.strict_json import finite
from charlm.machine.device import forget_peak_memory
from charlm.machine.device import peak_memory as peak_gpu_memory
from charlm.machine.generators import forked_generators
from charlm.machine.memory import peak_memory
from charlm.machine.threads import tuned_threads
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import RunDirectory
from charlm.scoring.score import Score
from charlm.sessions.saving import Saver
from charlm.tasks.dataset import Dataset
from charlm.tasks.task import Task
from charlm.training.events import Evaluated, Event, Progressed, Stopped
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
        world: the processes that train the run together, of which the first alone writes.
    """

    task: Task
    run: RunDirectory
    model: RecurrentModel
    dataset: Dataset
    snapshot: Snapshot | None = None
    before: TrainConfig | None = None
    world: World = ALONE

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
        except LostProcessError as error:
            again = f"{self.run.resume_command}{as_many_as(self.world)}"
            hint = f"The run '{self.run.name}' goes on from its last saved state: {again}"
            if self.world.leads:
                with suppress(RunError):
                    self.run.update(status="failed")
            raise LostProcessError(error.message, hint) from None
        except BaseException as error:
            # Whatever the error, the record must not say that the run is still training.
            if self.run.record.status == "running" and self.world.leads:
                status = "failed" if isinstance(error, Exception) else "interrupted"
                with suppress(RunError, MemoryError):
                    self.run.update(status=status)
            raise

    def _run(self, listener: Listener, should_stop: Callable[[], bool]) -> None:
        device = next(self.model.parameters()).device
        config = self.run.settings.train
        forget_peak_memory(device)
        with (
            forked_generators(device),
            tuned_threads(device.type) as tuner,
        ):
            # Before the trainer's clock starts: what a listener prepares is no training time.
            step = None if self.snapshot is None else self.snapshot.counters.step
            listener(Prepared(self.run, self.task, step or 0))
            training = self.dataset.training_task(self.model, config)
            trainer = Trainer(training, config, self.snapshot, tuner=tuner, world=self.world)
            saver = Saver(
                self.run,
                trainer,
                lambda text: listener(Notice(text)),
                step,
                should_stop,
                world=self.world,
            )
            if self.world.leads:
                self.run.update(status="running")
            if self.before is not None:
                self._adopt_settings(self.before, trainer, listener)
            saved = trainer.clock()
            stopped = None
            for event in trainer.run(should_stop):
                if isinstance(event, Evaluated):
                    best = arrays_of(trainer.weights(event.weights)) if event.improved else None
                    saver.keep(self._row(event), best)
                    saver.save()
                elif isinstance(event, Stopped):
                    stopped = event
                    saver.save_at_last(hurried=event.reason == "interrupted")
                elif isinstance(event, Progressed):
                    # The only other event that all processes have at the same time.
                    if trainer.clock() - saved > SAVE_SECONDS and is_sound(trainer):
                        saver.save()
                        saved = trainer.clock()
                    else:
                        saver.save_if_due()
                listener(event)
                if isinstance(event, Evaluated):
                    saved = trainer.clock()
                    self._illustrate(trainer.weights(event.weights), listener)
        assert stopped is not None
        self._conclude(stopped, listener, saver.insist)

    def _adopt_settings(self, before: TrainConfig, trainer: Trainer, listener: Listener) -> None:
        """Continue with changed settings, and say so if the learning rate changes."""
        was = trainer.learning_rate_with(before)
        trainer.adopt_settings(before)
        words = [f"{rate:.2g}" for rate in (was, trainer.learning_rate)]
        if words[0] != words[1]:
            cosine = trainer.config.schedule == "cosine"
            end = ", on a cosine that ends with the run" if cosine else ""
            listener(Notice(f"The learning rate was at {words[0]} and goes on at {words[1]}{end}."))

    def _row(self, event: Evaluated) -> dict[str, Any]:
        """An evaluation as a row of the metrics."""
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
        return row

    def _illustrate(self, weights: Mapping[str, Tensor], listener: Listener) -> None:
        if not self.world.leads:
            return
        try:
            shown = self.dataset.illustrate(self.model.config, arrays_of(weights))
        except CharlmError as error:
            listener(Notice(error.message))
        else:
            if shown is not None:
                listener(Illustrated(shown))

    def _conclude(
        self, stopped: Stopped, listener: Listener, insist: Callable[[Callable[[], object]], None]
    ) -> None:
        """Record how training ended: the score of the best weights, and those of the baselines.

        Args:
            insist: writes something, and waits until that can be done.
        """
        split = self.dataset.split
        is_scored = stopped.reason != "interrupted" and split != "train"
        score = self._best_score(split, listener) if is_scored else None
        if not self.world.leads:
            self.run.record.status = stopped.reason
            return
        loss, figure = stopped.epoch_loss, self.task.train_figure
        told = None if loss is None else {"loss": loss, **self.task.figures_of_loss(loss)}
        result: dict[str, Any] = {
            "seconds": stopped.seconds,
            "steps": stopped.step,
            f"train_{figure}": told and told[figure],
        }
        if score is not None:
            result["split"] = split
            result["score"] = score.to_json()
            baselines = self.dataset.baselines(split)
            result["baselines"] = {name: each.to_json() for name, each in baselines.items()}
            self.model.load_weights(self.run.load_weights())
            insist(lambda: result.update(self.dataset.finish(self.model, split, self.run)))
        insist(self.run.finish_writing)
        result["peak_memory"] = peak_memory()
        if (on_gpu := peak_gpu_memory(next(self.model.parameters()).device)) is not None:
            result["peak_gpu_memory"] = on_gpu
        insist(lambda: self.run.update(status=stopped.reason, result=finite(result)))
        listener(Concluded(self.run))
        if stopped.reason == "diverged":
            clips = self.run.settings.train.clip_norm > 0
            clip = "a lower --clip-norm" if clips else "a --clip-norm such as 1"
            raise TrainingError(
                f"Training diverged again and again; the run '{self.run.name}' keeps its last good "
                "state.",
                f"Train anew with a lower --learning-rate or {clip}.",
            )

    def _best_score(self, split: str, listener: Listener) -> Score | None:
        """The score of the best weights, from the metrics if those cover the whole split.

        All processes share the work; None, where this is not the first of them and needs no score.
        """
        known = self._score_from_metrics(split) if self.world.leads else None
        if self.world.any(known is not None):
            return known
        items = f"{self.dataset.size(split):,} held-out {self.task.item}s"
        listener(Notice(f"Scoring all {items} ({split})."))
        if self.world.leads:
            self.model.load_weights(self.run.load_weights())
        self.world.send_weights(self.model)
        return self.dataset.score(self.model, split)

    def _score_from_metrics(self, split: str) -> Score | None:
        """The score of the best evaluation; None if evaluations score less than the whole split."""
        scored = [row for row in self.run.metrics() if row.get(self.task.loss_name) is not None]
        best = [row for row in scored if row.get("best")]
        if split == "val" and best and self.dataset.scores_all_of_val(self.run.settings.train):
            return self.task.score_type.from_json(best[-1])
        return None


def is_sound(trainer: Trainer) -> bool:
    """Whether training could go on from its present state: all of the numbers are finite."""
    return trainer.learner.is_finite(whole_state=True)


def arrays_of(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Weights as NumPy arrays by name."""
    return {name: each.cpu().numpy() for name, each in weights.items()}
