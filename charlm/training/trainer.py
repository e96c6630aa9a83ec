"""The training loop. It knows windows, losses and scores, and neither characters nor files."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from charlm.config import TrainConfig
from charlm.errors import RunError
from charlm.seeds import Stream, derived_seed
from charlm.training.events import Evaluated, Event, Progressed, RolledBack, Stopped
from charlm.training.optimization import make_optimizer, scheduled_rate
from charlm.training.state import (
    Counters,
    Snapshot,
    copy_to_cpu,
    optimizer_tensors,
    random_tensors,
    restore_optimizer,
    restore_random,
)
from charlm.training.task import Task, never

EVALUATIONS = 10
MOST_ROLLBACKS = 3
REPORT_SECONDS = 0.2

# What the running totals on the device count: loss and gradient norm since the last evaluation, the
# largest of either (not finite once one was not), the loss of this epoch, the mean of the last one.
LOSS, NORM, WORST, EPOCH_LOSS, LAST_EPOCH = range(5)


class Reported(NamedTuple):
    """Where the last report left off: steps and totals since the last evaluation, and when."""

    steps: int
    loss: float
    norm: float
    at: float


class Trainer:
    """Trains a task, and tells what happens as a stream of events.

    Between two events the consumer may save `capture()`, or stop consuming. Dropout draws from
    torch's global generators, which the trainer seeds and its snapshots carry; a caller who minds
    forks them.

    Args:
        snapshot: where to go on; None starts anew.
        clock: seconds.
    """

    def __init__(
        self,
        task: Task,
        config: TrainConfig,
        snapshot: Snapshot | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
        self.config = config
        self.device = next(task.model.parameters()).device
        self.optimizer = make_optimizer(task.model, config)
        # On the CPU torch scales fp16 losses too; disabled, the scaler passes everything through.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self.clock = clock
        self.started = clock()
        self.reported = Reported(0, 0.0, 0.0, self.started)
        self.counters = Counters()
        self.recurrent = task.initial_state()
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        self.totals = torch.zeros(5, dtype=exact, device=self.device)
        self.totals[LAST_EPOCH] = math.nan
        self.epoch_steps = task.load_epoch(0)
        torch.manual_seed(derived_seed(config.seed, Stream.DROPOUT))
        if snapshot is not None:
            self.restore(snapshot)
        self.good = self.capture()

    # Where the run is

    @property
    def seconds(self) -> float:
        """Time spent on this run, that of earlier processes included."""
        return self.counters.seconds + self.clock() - self.started

    @property
    def progress(self) -> float:
        """Share of the run that is done, by whichever limit is nearest."""
        limits = self.config
        epochs = self.counters.epoch + self.counters.window / self.epoch_steps
        return max(
            self.counters.step / limits.max_steps if limits.max_steps else 0.0,
            epochs / limits.epochs if limits.epochs else 0.0,
            self.seconds / (60 * limits.max_minutes) if limits.max_minutes else 0.0,
        )

    @property
    def learning_rate(self) -> float:
        rate = scheduled_rate(self.config, self.counters.step, self.progress)
        return rate * self.counters.rate_scale

    @property
    def out_of_patience(self) -> bool:
        return self.config.patience is not None and self.counters.stale >= self.config.patience

    # The loop

    def run(self, should_stop: Callable[[], bool] = never) -> Iterator[Event]:
        """Train until a limit, the end of patience, divergence, or until `should_stop` says yes.

        Each stop has its event. An interrupted evaluation is made again when the run goes on.
        """
        while True:
            finished = self.progress >= 1 or self.out_of_patience
            evaluate = self._evaluation_due(finished)
            interrupted = should_stop()
            if evaluate or interrupted or self._report_due():
                event: Event | None
                if not self._healthy(weights=evaluate or interrupted):
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
                if isinstance(event, Stopped):
                    return
            elif finished:
                yield self._stopped("patience" if self.out_of_patience else "done")
                return
            else:
                self.step()

    def step(self) -> None:
        """One window: forward, backward, clipping, update. Nothing here waits for the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        loss, recurrent = self.task.loss(self.counters.window, self.recurrent)
        self.recurrent = tuple(each.detach() for each in recurrent)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(
            self.task.model.parameters(), self.config.clip_norm or math.inf
        )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._count(loss.detach(), norm.detach())

    def _count(self, loss: Tensor, norm: Tensor) -> None:
        if self.scaler.is_enabled():
            # Loss scaling overflows now and then by design, and skips the step.
            norm = torch.where(norm.isfinite(), norm, 0.0)
        self.totals[LOSS] += loss
        self.totals[NORM] += norm
        self.totals[WORST] = torch.maximum(self.totals[WORST], torch.maximum(loss, norm))
        self.totals[EPOCH_LOSS] += loss
        counters = self.counters
        counters.step += 1
        counters.steps_since += 1
        counters.window += 1
        if counters.window == self.epoch_steps:
            self.totals[LAST_EPOCH] = self.totals[EPOCH_LOSS] / self.epoch_steps
            self.totals[EPOCH_LOSS] = 0
            counters.epoch += 1
            counters.window = 0
            self.epoch_steps = self.task.load_epoch(counters.epoch)
            self.recurrent = self.task.initial_state()

    def _healthy(self, weights: bool) -> bool:
        """Whether losses and gradients since the last evaluation, and the weights, are finite."""
        checked = [self.totals[WORST], *(self.task.model.parameters() if weights else [])]
        return all(bool(each.isfinite().all()) for each in checked)

    def _roll_back(self) -> RolledBack:
        """Back to the last good state, at half the learning rate; the clock runs on."""
        before, seconds = self.counters, self.seconds
        self.restore(self.good)
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
        loss, norm = (self.totals[[LOSS, NORM]] / max(counters.steps_since, 1)).tolist()
        busy = self.seconds - counters.evaluated_seconds
        rate = counters.steps_since * self.task.items_per_step / max(busy, 1e-9)
        score = self.task.evaluate(should_stop) if self.task.holds_out else None
        if score is None and self.task.holds_out:
            return None
        improved = True
        if score is not None:
            # Weights may be finite and yet so large that they say nothing.
            if not math.isfinite(score.perplexity):
                return self._roll_back()
            nats = score.nats_per_character
            improved = counters.best is None or nats < counters.best
            counters.best = nats if improved else counters.best
            counters.stale = 0 if improved else counters.stale + 1
        event = Evaluated(
            counters.step,
            counters.epoch,
            min(self.progress, 1.0),
            loss,
            norm,
            self.learning_rate,
            rate,
            self.seconds,
            score,
            improved,
        )
        counters.mark = int(self.progress * EVALUATIONS)
        counters.evaluated_at = counters.step
        counters.evaluated_seconds = self.seconds
        counters.steps_since = 0
        self.totals[[LOSS, NORM]] = 0
        self.reported = Reported(0, 0.0, 0.0, self.clock())
        self.good = self.capture()
        return event

    def _report_due(self) -> bool:
        return self.clock() - self.reported.at >= REPORT_SECONDS and (
            self.counters.steps_since > self.reported.steps
        )

    def _progressed(self) -> Progressed:
        counters, last = self.counters, self.reported
        loss, norm = self.totals[[LOSS, NORM]].tolist()
        now = Reported(counters.steps_since, loss, norm, self.clock())
        steps = now.steps - last.steps
        progress = min(self.progress, 1.0)
        self.reported = now
        return Progressed(
            counters.step,
            counters.epoch,
            progress,
            (now.loss - last.loss) / steps,
            (now.norm - last.norm) / steps,
            self.learning_rate,
            steps * self.task.items_per_step / (now.at - last.at),
            self.seconds * (1 - progress) / progress if progress > 0 else None,
        )

    def _stopped(self, reason: str) -> Stopped:
        last = float(self.totals[LAST_EPOCH])
        return Stopped(self.counters.step, reason, self.seconds, None if math.isnan(last) else last)

    # Snapshots

    def capture(self) -> Snapshot:
        """All that `restore` needs to go on from here, bit for bit on one CPU."""
        tensors = optimizer_tensors(self.task.model, self.optimizer)
        tensors |= {f"recurrent/{i}": copy_to_cpu(each) for i, each in enumerate(self.recurrent)}
        tensors["totals"] = copy_to_cpu(self.totals)
        tensors |= random_tensors(self.device)
        weights = {name: copy_to_cpu(each) for name, each in self.task.model.named_parameters()}
        counters = replace(self.counters, seconds=self.seconds)
        return Snapshot(weights, tensors, counters, self.scaler.state_dict())

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot.

        Raises:
            RunError: it is not one of this model and task.
        """
        named = dict(self.task.model.named_parameters())
        tensors = snapshot.tensors
        try:
            with torch.no_grad():
                for name, weight in named.items():
                    weight.copy_(snapshot.weights[name])
                self.recurrent = tuple(
                    each.copy_(tensors[f"recurrent/{i}"])
                    for i, each in enumerate(self.task.initial_state())
                )
                self.totals.copy_(tensors["totals"])
            restore_optimizer(self.task.model, self.optimizer, tensors)
            restore_random(self.device, tensors)
        except (KeyError, RuntimeError) as error:
            raise RunError(f"The training state does not fit the run: {error}.") from None
        if snapshot.scaler:
            self.scaler.load_state_dict(snapshot.scaler)
        self.counters = replace(snapshot.counters)
        self.started = self.clock()
        loss, norm = self.totals[[LOSS, NORM]].tolist()
        self.reported = Reported(self.counters.steps_since, loss, norm, self.clock())
        self.epoch_steps = self.task.load_epoch(self.counters.epoch)
        if self.counters.window >= self.epoch_steps:
            raise RunError("The training state does not fit the run: it is beyond its epoch's end.")
