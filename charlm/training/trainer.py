"""The training loop, in terms of windows, losses and scores; it knows no texts and no files."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import Tensor

from charlm.config import TrainConfig
from charlm.distributed.world import ALONE, World
from charlm.errors import RunError
from charlm.machine.threads import ThreadTuner
from charlm.presets import EVALUATIONS, LIMITS
from charlm.scoring.score import Score
from charlm.training.averaging import AVERAGE, RAW
from charlm.training.events import (
    Evaluated,
    Event,
    Progressed,
    RateLowered,
    RolledBack,
    Stopped,
    ThreadsChanged,
)
from charlm.training.learner import Learner
from charlm.training.optimization import scheduled_rate
from charlm.training.stalling import is_out_of_patience, lower_rate, record_score, start_average
from charlm.training.state import Counters, Snapshot
from charlm.training.task import TrainingTask, never
from charlm.training.totals import Sums

MOST_ROLLBACKS = 3
REPORT_SECONDS = 0.2


class Trainer:
    """Trains a task and reports what happens as a stream of events.

    Between two events the consumer may save `capture()`, or stop iterating. Dropout draws from
    torch's global generators, which the trainer seeds and its snapshots include; a caller that
    needs them unchanged wraps training in `torch.random.fork_rng`.

    Args:
        snapshot: state to resume from; None starts anew.
        clock: returns the time in seconds; None: that of the world.
        tuner: chooses the number of CPU threads; None leaves it as it is.
        world: processes that train together, and decide alike at the time they agree on.
    """

    def __init__(
        self,
        task: TrainingTask,
        config: TrainConfig,
        snapshot: Snapshot | None = None,
        clock: Callable[[], float] | None = None,
        tuner: ThreadTuner | None = None,
        world: World = ALONE,
    ) -> None:
        self.task, self.config, self.world = task, config, world
        self.learner = Learner(task, config, world)
        world.barrier()
        self.clock = clock = clock or world.clock
        self.tuner = tuner or ThreadTuner(1)
        self.threads, self.started = self.tuner.chosen, clock()
        self.reported = Sums(0, 0, 0.0, 0.0, self.started)
        self.counters = Counters()
        self.lowered: RateLowered | None = None  # by the last evaluation
        self.epoch_steps = task.load_epoch(0)
        if snapshot is not None:
            self.restore(snapshot)
        self.last_good = self.capture()

    # Where the run is

    @property
    def seconds(self) -> float:
        """Training time, that of earlier processes included."""
        return self.counters.seconds + self.clock() - self.started

    @property
    def progress(self) -> float:
        """Share of the run that is done (0 to 1, or more), by the limit that is nearest."""
        return self._progress(self.config)

    def _progress(self, limits: TrainConfig) -> float:
        epochs = self.counters.epoch + self.counters.window / self.epoch_steps
        return max(
            self.counters.step / limits.max_steps if limits.max_steps else 0.0,
            epochs / limits.epochs if limits.epochs else 0.0,
            self.seconds / (60 * limits.max_minutes) if limits.max_minutes else 0.0,
        )

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return self.learning_rate_with(self.config)

    def learning_rate_with(self, config: TrainConfig) -> float:
        """Learning rate that the next step would have with these settings."""
        counters, progress = self.counters, self._progress(config)
        rate = scheduled_rate(config, counters.step, progress, counters.reductions)
        return rate * counters.rate_scale

    def adopt_settings(self, before: TrainConfig) -> None:
        """Adjust a resumed run to settings that differ from those `before`.

        New limits change the share of the run that is done, which alone must not cause an
        evaluation. A new learning rate applies in full, whatever lowered the old one.
        """
        for counters in (self.counters, self.last_good.counters):
            if any(getattr(before, name) != getattr(self.config, name) for name in LIMITS):
                counters.mark = int(self.progress * EVALUATIONS)
            if before.learning_rate != self.config.learning_rate:
                counters.rate_scale = 1.0
                counters.plateau = counters.reductions = 0

    # The loop

    def run(self, should_stop: Callable[[], bool] = never) -> Iterator[Event]:
        """Train until a limit is reached, patience or rollbacks run out, or `should_stop` says so.

        The last event is always `Stopped`. An evaluation that `should_stop` interrupts is repeated
        when the run resumes.
        """
        while True:
            impatient = is_out_of_patience(self.counters, self.config)
            finished = self.progress >= 1 or impatient
            evaluate = self._evaluation_due(finished)
            interrupted = self.world.any(should_stop() or self.world.is_orphaned)
            if self.tuner.chosen != self.threads:
                self.threads = self.tuner.chosen
                yield ThreadsChanged(self.threads, self.tuner.most)
            if evaluate or interrupted or self._report_due():
                event: Event | None
                if not self.learner.is_finite(whole_state=evaluate or interrupted):
                    event = self._roll_back()
                elif interrupted:
                    event = self._stopped("interrupted")
                elif evaluate:
                    event = self._evaluate(should_stop)
                else:
                    event = self._progressed()
                if self.counters.rollbacks > MOST_ROLLBACKS:
                    event = self._stopped("diverged")
                if event is not None:
                    yield event
                    if isinstance(event, Evaluated) and self.lowered is not None:
                        yield self.lowered
                    # The reported speed leaves out what the consumer does, such as saving.
                    self.reported = self.reported._replace(at=self.clock())
                if isinstance(event, Stopped):
                    return
            elif finished:
                yield self._stopped("patience" if impatient else "done")
                return
            else:
                self.step()

    def step(self) -> None:
        """Train on the next window, without waiting for the device."""
        counters, learner = self.counters, self.learner
        started = time.perf_counter()
        items = learner.step(counters.window, self.learning_rate)
        self.tuner.record_step(items, time.perf_counter() - started)
        counters.step += 1
        counters.steps_since += 1
        counters.items_since += items
        counters.epoch_items += items
        counters.window += 1
        learner.averages.update(counters.step, counters.step - counters.averaging_since)
        if counters.window == self.epoch_steps:
            learner.totals.end_epoch(counters.epoch_items)
            counters.epoch += 1
            counters.window = counters.epoch_items = 0
            self.epoch_steps = self.task.load_epoch(counters.epoch)
            learner.zero_state()

    def _roll_back(self) -> RolledBack:
        """Return to the last good state at half the learning rate; the time spent still counts."""
        before, seconds = self.counters, self.seconds
        self.restore(self.last_good)
        self.counters.seconds = seconds
        self.counters.rollbacks = before.rollbacks + 1
        self.counters.rate_scale = before.rate_scale / 2
        return RolledBack(
            before.step, self.counters.step, self.config.learning_rate * self.counters.rate_scale
        )

    # Evaluation and reports

    def _evaluation_due(self, finished: bool) -> bool:
        if self.counters.step == self.counters.evaluated_at or self.counters.step == 0:
            return False
        if self.config.eval_every is not None:
            return finished or self.counters.step % self.config.eval_every == 0
        return finished or int(self.progress * EVALUATIONS) != self.counters.mark

    def _evaluate(self, should_stop: Callable[[], bool]) -> Evaluated | RolledBack | None:
        counters = self.counters
        loss_sum, norm_sum = self.learner.totals.since_evaluation()
        busy = self.seconds - counters.evaluated_seconds
        scores = self.learner.scores(should_stop)
        if scores is None:
            return None
        loss = loss_sum / max(counters.items_since, 1)
        # Weights may be finite and yet too large to predict anything.
        if loss > self.task.worst_loss or not all(each.is_finite for each in scores.values()):
            return self._roll_back()
        # Without held-out scores to compare, an average is preferred to the raw weights.
        last = self.learner.averages.kinds[-1]
        kind = min(scores, key=lambda each: scores[each].loss, default=last)
        improved = self._compare(scores[kind], scores[RAW]) if scores else True
        event = Evaluated(
            step=counters.step,
            epoch=counters.epoch,
            progress=min(self.progress, 1.0),
            loss=loss,
            items=counters.items_since,
            gradient_norm=norm_sum / max(counters.steps_since, 1),
            learning_rate=self.learning_rate,
            items_per_second=counters.items_since / max(busy, 1e-9),
            seconds=self.seconds,
            score=scores.get(kind),
            improved=improved,
            weights=kind,
            scores=scores,
        )
        counters.mark = int(self.progress * EVALUATIONS)
        counters.evaluated_at = counters.step
        counters.evaluated_seconds = self.seconds
        counters.steps_since = counters.items_since = 0
        self.learner.totals.start_after_evaluation()
        self.reported = Sums(0, 0, 0.0, 0.0, self.clock())
        self.last_good = self.capture()
        return event

    def _compare(self, score: Score, own: Score) -> bool:
        """Whether a score is the best so far; after enough that are not, do something about it."""
        counters, before = self.counters, self.learning_rate
        improved = record_score(counters, self.config, score.loss, own.loss)
        if start_average(counters, self.config):
            self.learner.averages.start(AVERAGE)
        lower, after = lower_rate(counters, self.config), self.config.plateau_patience
        lowered = RateLowered(counters.step, after, before, self.learning_rate)
        self.lowered = lowered if lower else None
        return improved

    def weights(self, kind: str) -> dict[str, Tensor]:
        """Weights of a kind ("raw", "ema", "average") by name, sharing memory."""
        return self.learner.averages.weights(kind)

    def _report_due(self) -> bool:
        waited = self.clock() - self.reported.at
        return waited >= REPORT_SECONDS and self.counters.steps_since > self.reported.steps

    def _progressed(self) -> Progressed:
        counters, last = self.counters, self.reported
        now = self._read_sums()
        steps, items = now.steps - last.steps, now.items - last.items
        progress = min(self.progress, 1.0)
        self.reported = now
        return Progressed(
            step=counters.step,
            epoch=counters.epoch,
            progress=progress,
            loss=(now.loss - last.loss) / items,
            gradient_norm=(now.norm - last.norm) / steps,
            learning_rate=self.learning_rate,
            items_per_second=items / (now.at - last.at),
            seconds_left=self.seconds * (1 - progress) / progress if progress > 0 else None,
        )

    def _read_sums(self) -> Sums:
        totals = self.learner.totals.since_evaluation()
        return Sums(self.counters.steps_since, self.counters.items_since, *totals, self.clock())

    def _stopped(self, reason: str) -> Stopped:
        return Stopped(self.counters.step, reason, self.seconds, self.learner.totals.last_epoch)

    # Snapshots

    def capture(self) -> Snapshot:
        """A snapshot to resume from with `restore`, bit for bit on the same CPU."""
        weights, tensors, scaler = self.learner.capture()
        return Snapshot(weights, tensors, replace(self.counters, seconds=self.seconds), scaler)

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot.

        Raises:
            RunError: it is damaged, or belongs to another model or task.
        """
        averaging = snapshot.counters.averaging_since >= 0
        self.learner.restore(snapshot.weights, snapshot.tensors, snapshot.scaler, averaging)
        self.counters = replace(snapshot.counters)
        self.started = self.clock()
        self.reported = self._read_sums()
        self.epoch_steps = self.task.load_epoch(self.counters.epoch)
        if self.counters.window >= self.epoch_steps:
            raise RunError("The training state does not fit the run: it is beyond its epoch's end.")
