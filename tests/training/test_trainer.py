"""The training loop, with a task and a clock that can be worked out by hand, and with the real one.

The fake task has one row of weights w and a row of targets for each window; its loss is half the
squared distance, so its gradient is w - target. Its recurrent state counts the windows of an epoch.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import rounding
from torch import Tensor, nn

from charlm.config import ModelConfig, TextTrainConfig
from charlm.errors import RunError
from charlm.language_model import LanguageModel
from charlm.rnn.cells import State
from charlm.rnn.dropout import dropout_mask
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.tasks.language_modeling.windows import Windows
from charlm.training.events import Evaluated, Event, Progressed, RolledBack, Stopped
from charlm.training.task import WindowLoss
from charlm.training.trainer import Trainer

TARGETS = np.array([[1.0, -2.0, 3.0], [0.5, 0.5, -4.0], [2.0, 1.0, 0.0], [-1.0, 0.25, 1.5]])
WINDOWS = len(TARGETS)
# Of a dozen steps, each some ten operations in float32.
NEAR = rounding(torch.float32, 12 * 10)
E = TypeVar("E")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Row(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, 3))


class FakeTask:
    """See the top of this file.

    Args:
        clock: goes on by `step_seconds` at each step, by `evaluation_seconds` at each evaluation.
        scores: nats of the evaluations, in order; without them the evaluations get better.
        targets: one row for each window of an epoch.
        bad: by position in the run, what goes wrong there ("nan", "inf", "gradient nan", "gradient
            inf") and how many times.
    """

    items_per_step = 6
    worst_loss = math.inf
    same_shapes = True
    items = (6, 6, 6, 6)

    def penalty(self, w: Tensor) -> Tensor | None:
        return None

    def __init__(
        self,
        clock: Clock | None = None,
        step_seconds: float = 0.0,
        evaluation_seconds: float = 1.0,
        scores: list[float] | None = None,
        holds_out: bool = True,
        targets: np.ndarray = TARGETS,
        bad: dict[int, tuple[str, float]] | None = None,
    ) -> None:
        self.targets = targets
        self.row = Row()
        self.clock = clock or Clock()
        self.step_seconds = step_seconds
        self.evaluation_seconds = evaluation_seconds
        self.scores = iter(itertools.count(500, -1) if scores is None else scores)
        self.holds_out = holds_out
        self.bad = bad or {}
        self.epoch = 0
        self.attempts: Counter[int] = Counter()
        self.states: list[float] = []
        self.evaluations = 0

    @property
    def model(self) -> nn.Module:
        return self.row

    @property
    def weights(self) -> list[float]:
        return self.row.w.detach().flatten().tolist()

    def load_epoch(self, epoch: int) -> int:
        self.epoch = epoch
        return WINDOWS

    def initial_state(self) -> State:
        return (torch.zeros(1, 1, 1),)

    def batch(self, window: int) -> tuple[Tensor, ...]:
        return (torch.tensor(window),)

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        window = int(batch[0])
        position = self.epoch * WINDOWS + window
        self.attempts[position] += 1
        self.states.append(float(state[0]))
        self.clock.now += self.step_seconds
        target = torch.tensor(self.targets[window], dtype=torch.float32)
        loss = 0.5 * ((self.row.w - target) ** 2).sum()
        kind, times = self.bad.get(position, ("", 0))
        if self.attempts[position] <= times:
            loss = spoilt(loss, kind)
        # As in a real task, the state has a gradient.
        after = (state[0] + 1 + 0 * self.row.w.sum(),)
        return WindowLoss(loss, after, self.items[window], self.penalty(self.row.w))

    def evaluate(self, should_stop: Callable[[], bool]) -> CrossEntropy | None:
        if should_stop():
            return None
        self.clock.now += self.evaluation_seconds
        self.evaluations += 1
        return CrossEntropy(next(self.scores) * 2.0, 2)


def spoilt(loss: Tensor, kind: str) -> Tensor:
    if kind in ("nan", "inf"):
        return loss * float(kind)
    zero = loss - loss.detach()
    if kind == "gradient inf":
        return loss.detach() + zero.sqrt()
    assert kind == "gradient nan"
    return loss.detach() + (zero * 0).sqrt()


def config(**values: object) -> TextTrainConfig:
    plain = {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 0.0}
    return TextTrainConfig(**{**plain, **values})  # type: ignore[arg-type]


def train(task: FakeTask, settings: TextTrainConfig) -> list[Event]:
    return list(Trainer(task, settings, clock=task.clock).run())


def of(kind: type[E], events: Iterable[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


class ByHand:
    """Plain SGD on the fake task in NumPy: the loss and gradient norm of each step, the weights."""

    def __init__(self, rates: list[float], clip: float = 0.0) -> None:
        w = np.zeros(3)
        self.losses: list[float] = []
        self.norms: list[float] = []
        for step, rate in enumerate(rates):
            gradient = w - TARGETS[step % WINDOWS]
            self.losses.append(0.5 * float(gradient @ gradient))
            self.norms.append(math.sqrt(float(gradient @ gradient)))
            if clip and self.norms[-1] > clip:
                gradient = gradient * clip / self.norms[-1]
            w = w - rate * gradient
        self.weights = w.tolist()


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# Updates


def test_one_step_of_sgd_is_the_one_worked_out_by_hand() -> None:
    task = FakeTask()
    train(task, config(max_steps=1, learning_rate=0.5))
    assert task.weights == pytest.approx([0.5, -1.0, 1.5], rel=NEAR)


def test_clipping_scales_the_gradient_to_the_norm_asked_for() -> None:
    task = FakeTask()
    train(task, config(max_steps=1, learning_rate=0.5, clip_norm=2.0))
    length = math.sqrt(1 + 4 + 9)
    wanted = [0.5 * 2 * each / length for each in (1.0, -2.0, 3.0)]
    assert task.weights == pytest.approx(wanted, rel=NEAR)


@pytest.mark.parametrize("clip", [0.0, 1.0, 2.5, 100.0])
def test_many_steps_with_and_without_clipping(clip: float) -> None:
    task, wanted = FakeTask(), ByHand([0.1] * 11, clip)
    events = train(task, config(max_steps=11, clip_norm=clip, eval_every=11))
    assert task.weights == pytest.approx(wanted.weights, rel=NEAR)
    # The norm that is told is that before clipping.
    (evaluated,) = of(Evaluated, events)
    assert evaluated.gradient_norm == pytest.approx(mean(wanted.norms), rel=NEAR)


def test_clip_norm_0_lets_any_gradient_through() -> None:
    gradients = []
    for clip in (0.0, 1e9):
        task = FakeTask()
        train(task, config(max_steps=7, clip_norm=clip, learning_rate=0.3))
        gradients.append(task.weights)
    assert gradients[0] == gradients[1]


def test_the_schedule_decides_the_rate_of_each_step() -> None:
    task = FakeTask()
    settings = config(max_steps=8, schedule="cosine", warmup_steps=2, learning_rate=0.2)
    events = train(task, settings)
    rates = [
        0.2 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / 8)) / 2) * min(1, (step + 1) / 3)
        for step in range(9)
    ]
    assert task.weights == pytest.approx(ByHand(rates[:8]).weights, rel=NEAR, abs=1e-6)
    told = [event.learning_rate for event in of(Evaluated, events)]
    assert told == pytest.approx(rates[1:], rel=1e-12)  # that of the step to come


@pytest.mark.parametrize("limits", [{"max_steps": 8}, {"epochs": 2}, {"max_minutes": 0.4}], ids=str)
def test_warm_up_and_cosine_know_how_long_the_run_is(limits: dict[str, float]) -> None:
    """Eight steps of three seconds: two epochs of four, 0.4 minutes."""
    task = FakeTask(step_seconds=3.0, evaluation_seconds=0.0)
    events = train(
        task, config(schedule="cosine", warmup_steps=2, learning_rate=0.2, eval_every=1, **limits)
    )
    rates = [
        0.2 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / 8)) / 2) * min(1, (step + 1) / 3)
        for step in range(9)
    ]
    assert task.weights == pytest.approx(ByHand(rates[:8]).weights, rel=NEAR, abs=1e-6)
    told = [event.learning_rate for event in of(Evaluated, events)]
    assert told == pytest.approx(rates[1:], rel=1e-9)
    assert told[-1] == pytest.approx(0.002)


def test_the_state_is_carried_within_an_epoch_and_begins_anew_with_the_next() -> None:
    task = FakeTask()
    train(task, config(max_steps=10))
    assert task.states == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_the_state_that_is_carried_is_cut_off_from_the_graph() -> None:
    task = FakeTask()
    trainer = Trainer(task, config(max_steps=2), clock=task.clock)
    assert [each.requires_grad for each in task.loss(task.batch(0), task.initial_state())[1]] == [
        True
    ]
    for _ in trainer.run():
        assert [each.requires_grad for each in trainer.learner.recurrent] == [False]


# How far a run is


LIMITS = [
    ({"max_steps": 10}, 10),
    ({"epochs": 2}, 8),
    ({"max_minutes": 0.5}, 10),
    ({"max_steps": 7, "epochs": 2}, 7),
    ({"max_steps": 9, "epochs": 2}, 8),
    ({"max_steps": 11, "max_minutes": 0.3}, 6),
    ({"max_steps": 5, "epochs": 100, "max_minutes": 100}, 5),
]


@pytest.mark.parametrize(("limits", "steps"), LIMITS, ids=str)
def test_the_nearest_limit_ends_a_run(limits: dict[str, float], steps: int) -> None:
    """A step takes 3 seconds here, and there is nothing to evaluate on."""
    task = FakeTask(step_seconds=3.0, holds_out=False)
    events = train(task, config(eval_every=1, **limits))
    told = [event.progress for event in of(Evaluated, events)]
    wanted = [
        max(
            step / limits.get("max_steps", math.inf),
            step / WINDOWS / limits.get("epochs", math.inf),
            3 * step / 60 / limits.get("max_minutes", math.inf),
        )
        for step in range(1, steps + 1)
    ]
    assert told == pytest.approx([min(each, 1.0) for each in wanted], rel=1e-12)
    assert wanted[-1] >= 1 > wanted[-2]
    (stopped,) = of(Stopped, events)
    assert (stopped.step, stopped.reason) == (steps, "done")


def test_steps_and_epochs_are_told_together() -> None:
    events = train(FakeTask(), config(max_steps=9, eval_every=1))
    told = [(event.step, event.epoch) for event in of(Evaluated, events)]
    assert told == [(step, step // WINDOWS) for step in range(1, 10)]


# When it is evaluated


CADENCES = [
    ({"max_steps": 100}, list(range(10, 101, 10))),
    ({"max_steps": 25}, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
    ({"max_steps": 7}, [1, 2, 3, 4, 5, 6, 7]),
    ({"max_steps": 1}, [1]),
    ({"epochs": 5}, list(range(2, 21, 2))),
    ({"max_steps": 10, "eval_every": 4}, [4, 8, 10]),
    ({"max_steps": 10, "eval_every": 5}, [5, 10]),
    ({"max_steps": 10, "eval_every": 1}, list(range(1, 11))),
    ({"max_steps": 10, "eval_every": 1000}, [10]),
    ({"epochs": 3, "eval_every": 5}, [5, 10, 12]),
]


@pytest.mark.parametrize("holds_out", [True, False])
@pytest.mark.parametrize(("settings", "steps"), CADENCES, ids=str)
def test_evaluations_come_when_asked_for_and_at_the_end(
    settings: dict[str, int], steps: list[int], holds_out: bool
) -> None:
    task = FakeTask(holds_out=holds_out)
    events = train(task, config(**settings))
    assert [event.step for event in of(Evaluated, events)] == steps
    assert task.evaluations == (len(steps) if holds_out else 0)
    assert isinstance(events[-1], Stopped)


def test_a_run_by_the_clock_is_evaluated_ten_times() -> None:
    task = FakeTask(step_seconds=1.0, holds_out=False)
    events = train(task, config(max_minutes=1.0))
    assert [event.step for event in of(Evaluated, events)] == list(range(6, 61, 6))
    assert of(Stopped, events)[0].seconds == pytest.approx(60.0)


def test_evaluations_that_take_long_are_not_made_up_for() -> None:
    task = FakeTask(step_seconds=1.0, evaluation_seconds=20.0)
    events = train(task, config(max_minutes=100 / 60))
    # Steps until 10 s, evaluation until 30 s, steps until 40 s, evaluation until 60 s, and so on.
    assert [event.step for event in of(Evaluated, events)] == [10, 20, 30, 40]


def test_a_run_whose_time_is_up_before_it_begins_ends_in_order() -> None:
    task = FakeTask()
    trainer = Trainer(task, config(max_minutes=1.0), clock=task.clock)
    task.clock.now += 61
    (stopped,) = trainer.run()
    assert isinstance(stopped, Stopped)
    assert (stopped.step, stopped.reason, stopped.epoch_loss) == (0, "done", None)


def test_patience_counts_evaluations_without_a_better_score() -> None:
    task = FakeTask(scores=[3.0, 2.0, 2.5, 1.9, 1.9, 2.0, 1.95, 1.0])
    events = train(task, config(max_steps=1000, eval_every=2, patience=3))
    evaluated = of(Evaluated, events)
    # Equal is no better.
    assert [event.improved for event in evaluated] == [True, True, False, True] + [False] * 3
    (stopped,) = of(Stopped, events)
    assert (stopped.reason, stopped.step) == ("patience", 14)


def test_without_patience_a_run_goes_on_to_its_end() -> None:
    task = FakeTask(scores=[1.0, 2.0, 3.0, 4.0, 5.0])
    events = train(task, config(max_steps=10, eval_every=2))
    assert of(Stopped, events)[0].reason == "done"
    assert [event.improved for event in of(Evaluated, events)] == [True] + [False] * 4


def test_patience_has_nothing_to_say_where_nothing_is_held_out() -> None:
    events = train(FakeTask(holds_out=False), config(max_steps=10, eval_every=1, patience=1))
    assert of(Stopped, events)[0].step == 10
    assert all(event.improved and event.score is None for event in of(Evaluated, events))


# What the events say


def test_evaluated_tells_means_since_the_evaluation_before() -> None:
    task = FakeTask(step_seconds=0.125, scores=[3.0, 2.0, 4.0])
    events = train(task, config(max_steps=10, eval_every=4))
    hand = ByHand([0.1] * 10)
    told = of(Evaluated, events)
    for event, (start, stop) in zip(told, [(0, 4), (4, 8), (8, 10)], strict=True):
        assert event.step == stop
        assert event.loss == pytest.approx(mean(hand.losses[start:stop]), rel=NEAR)
        assert event.gradient_norm == pytest.approx(mean(hand.norms[start:stop]), rel=NEAR)
        # The evaluation itself, one second, is no training time.
        assert event.items_per_second == pytest.approx(6 / 0.125, rel=1e-9)
        assert event.learning_rate == 0.1
    assert [event.seconds for event in told] == pytest.approx([1.5, 3.0, 4.25])
    assert [event.score for event in told] == [
        CrossEntropy(6.0, 2),
        CrossEntropy(4.0, 2),
        CrossEntropy(8.0, 2),
    ]
    assert [event.progress for event in told] == pytest.approx([0.4, 0.8, 1.0])
    (stopped,) = of(Stopped, events)
    assert stopped.seconds == pytest.approx(4.25)


def test_what_happens_between_two_events_is_no_training_time() -> None:
    task = FakeTask(step_seconds=0.0625)
    trainer = Trainer(task, config(max_steps=14, eval_every=6), clock=task.clock)
    told = []
    for event in trainer.run():
        told.append(event)
        task.clock.now += 5.0  # saving, sampling
    assert of(Progressed, told)
    for each in of(Progressed, told):
        assert each.items_per_second == pytest.approx(6 / 0.0625, rel=1e-9)


def test_progressed_comes_a_few_times_a_second_with_means_since_the_event_before() -> None:
    task = FakeTask(step_seconds=0.0625)
    events = train(task, config(max_steps=14, eval_every=6))
    hand = ByHand([0.1] * 14)
    # 0.2 seconds are 4 steps; an evaluation begins the count anew.
    spans = [(0, 4), (6, 10), (12, 14)]
    told = of(Progressed, events)
    assert [event.step for event in told] == [4, 10]
    for event, (start, stop) in zip(told, spans, strict=False):
        assert event.loss == pytest.approx(mean(hand.losses[start:stop]), rel=NEAR)
        assert event.gradient_norm == pytest.approx(mean(hand.norms[start:stop]), rel=NEAR)
        assert event.items_per_second == pytest.approx(6 / 0.0625, rel=1e-9)
        assert event.progress == pytest.approx(stop / 14)
        assert event.epoch == stop // WINDOWS
    # One evaluation, of a second, lies before the second report.
    assert told[0].seconds_left == pytest.approx(0.25 * 10 / 4)
    assert told[1].seconds_left == pytest.approx((10 * 0.0625 + 1) * 4 / 10)


def test_reports_between_evaluations_tell_each_step_once() -> None:
    task = FakeTask(step_seconds=0.25)
    events = train(task, config(max_steps=9, eval_every=1000))
    told = of(Progressed, events)
    assert [event.step for event in told] == list(range(1, 9))
    assert [event.loss for event in told] == pytest.approx(ByHand([0.1] * 8).losses, rel=NEAR)


@pytest.mark.parametrize(
    ("steps", "span"), [(3, None), (4, (0, 4)), (7, (0, 4)), (8, (4, 8)), (14, (8, 12))]
)
def test_the_epoch_loss_is_that_of_the_last_whole_epoch(
    steps: int, span: tuple[int, int] | None
) -> None:
    (stopped,) = of(Stopped, train(FakeTask(), config(max_steps=steps)))
    if span is None:
        assert stopped.epoch_loss is None
    else:
        wanted = mean(ByHand([0.1] * steps).losses[slice(*span)])
        assert stopped.epoch_loss == pytest.approx(wanted, rel=NEAR)


# Divergence

BAD = ["nan", "inf", "gradient nan", "gradient inf"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_finite_is_undone_and_tried_again_at_half_the_rate(
    kind: str, optimizer: str
) -> None:
    task = FakeTask(bad={6: (kind, 1)})
    events = train(task, config(max_steps=12, eval_every=4, optimizer=optimizer))
    (rolled_back,) = of(RolledBack, events)
    assert rolled_back == RolledBack(from_step=8, to_step=4, learning_rate=0.05)
    assert [event.step for event in of(Evaluated, events)] == [4, 8, 12]
    assert all(math.isfinite(event.loss) for event in of(Evaluated, events))
    assert of(Stopped, events)[0].reason == "done"
    # The recurrent state is that of step 4 again, too.
    assert task.states == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]
    if optimizer == "sgd":
        hand = ByHand([0.1] * 4 + [0.05] * 8)
        assert task.weights == pytest.approx(hand.weights, rel=NEAR)
        # As if the steps that were undone had never been.
        told = [event.loss for event in of(Evaluated, events)]
        assert told == pytest.approx([mean(hand.losses[i : i + 4]) for i in (0, 4, 8)], rel=NEAR)


@pytest.mark.parametrize("kind", BAD)
def test_a_run_that_diverges_at_once_begins_anew(kind: str) -> None:
    task = FakeTask(bad={0: (kind, 1)})
    events = train(task, config(max_steps=4, eval_every=2))
    assert of(RolledBack, events) == [RolledBack(2, 0, 0.05)]
    assert task.weights == pytest.approx(ByHand([0.05] * 4).weights, rel=NEAR)


def test_divergence_shows_in_a_report_before_the_next_evaluation() -> None:
    task = FakeTask(step_seconds=0.25, bad={2: ("nan", 1)})
    events = train(task, config(max_steps=8, eval_every=8))
    assert of(RolledBack, events) == [RolledBack(3, 0, 0.05)]
    assert all(math.isfinite(event.loss) for event in of(Progressed, events))


@pytest.mark.parametrize("kind", BAD)
def test_after_three_tries_it_stops_with_the_last_good_weights(kind: str) -> None:
    task = FakeTask(bad={6: (kind, math.inf)})
    events = train(task, config(max_steps=12, eval_every=4, learning_rate=0.16))
    assert task.attempts[6] == 1 + 3
    rates = [event.learning_rate for event in of(RolledBack, events)]
    assert rates[:3] == [0.08, 0.04, 0.02]
    assert len(rates) <= 4
    assert events[-1] == Stopped(4, "diverged", 1.0, of(Stopped, events)[0].epoch_loss)
    assert task.weights == pytest.approx(ByHand([0.16] * 4).weights, rel=NEAR)


def test_tries_are_counted_over_the_whole_run() -> None:
    task = FakeTask(bad={1: ("nan", 1), 5: ("nan", 1), 9: ("nan", 1), 13: ("nan", 1)})
    events = train(task, config(max_steps=16, eval_every=4))
    assert [event.to_step for event in of(RolledBack, events)][:3] == [0, 4, 8]
    assert of(Stopped, events)[0].reason == "diverged"
    assert of(Stopped, events)[0].step == 12


def test_a_score_that_is_not_finite_is_divergence_too() -> None:
    task = FakeTask(scores=[3.0, math.nan, 2.0])
    events = train(task, config(max_steps=8, eval_every=4))
    assert of(RolledBack, events) == [RolledBack(8, 4, 0.05)]
    assert task.weights == pytest.approx(ByHand([0.1] * 4 + [0.05] * 4).weights, rel=NEAR)


@pytest.mark.parametrize("nats", [math.nan, math.inf])
def test_scores_that_are_never_finite_end_the_run(nats: float) -> None:
    task = FakeTask()
    task.scores = itertools.repeat(nats)
    trainer = Trainer(task, config(max_steps=8, eval_every=4), clock=task.clock)
    events = list(itertools.islice(trainer.run(), 50))
    assert of(Stopped, events), "it goes on for ever"
    assert of(Stopped, events)[0].reason == "diverged"
    assert task.evaluations == 1 + 3
    assert task.weights == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("settings", [{"max_steps": 1}, {"max_steps": 5, "eval_every": 1}], ids=str)
def test_weights_that_an_update_made_infinite_are_no_good_state(settings: dict[str, int]) -> None:
    """Loss and gradient are finite, and nothing is held out whose score would tell."""
    task = FakeTask(holds_out=False, targets=1e17 * TARGETS)
    trainer = Trainer(task, config(learning_rate=1e25, **settings), clock=task.clock)
    events = list(itertools.islice(trainer.run(), 50))
    assert of(Stopped, events)[0].reason == "diverged"
    assert all(math.isfinite(each) for each in task.weights)


def test_a_rollback_takes_no_time_back() -> None:
    task = FakeTask(step_seconds=0.01, bad={2: ("nan", 1)})
    events = train(task, config(max_steps=4, eval_every=4))
    (stopped,) = of(Stopped, events)
    assert sum(task.attempts.values()) == 8
    assert stopped.seconds == pytest.approx(8 * 0.01 + 1)


# Interruption


def stops_after(calls: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= calls


@pytest.mark.parametrize("stop", range(11))
def test_a_run_can_be_stopped_at_any_step(stop: int) -> None:
    task = FakeTask(holds_out=False)
    trainer = Trainer(task, config(max_steps=10, eval_every=1000), clock=task.clock)
    events = list(trainer.run(lambda: trainer.counters.step >= stop))
    (stopped,) = of(Stopped, events)
    assert stopped.step == stop
    if stop < 10:
        assert stopped.reason == "interrupted"
        assert len(events) == 1
    assert task.weights == pytest.approx(ByHand([0.1] * stop).weights, rel=NEAR)


def test_a_run_stopped_in_an_evaluation_makes_it_again() -> None:
    task = FakeTask(scores=[3.0, 2.0])
    trainer = Trainer(task, config(max_steps=8, eval_every=4), clock=task.clock)
    in_evaluation = stops_after(5)  # once before each of four steps, once before the evaluation
    events = list(trainer.run(in_evaluation))
    assert [type(event) for event in events] == [Stopped]
    assert (events[0].step, task.evaluations) == (4, 0)

    again = FakeTask(scores=[3.0, 2.0])
    events = list(Trainer(again, trainer.config, trainer.capture(), clock=again.clock).run())
    assert [event.step for event in of(Evaluated, events)] == [4, 8]
    assert of(Evaluated, events)[0].loss == pytest.approx(mean(ByHand([0.1] * 4).losses), rel=NEAR)
    assert again.weights == pytest.approx(ByHand([0.1] * 8).weights, rel=NEAR)


def test_what_is_not_finite_is_undone_before_a_run_stops() -> None:
    task = FakeTask(bad={5: ("nan", math.inf)})
    trainer = Trainer(task, config(max_steps=12, eval_every=4), clock=task.clock)
    events = list(trainer.run(lambda: trainer.counters.step >= 7 or task.attempts[6] > 0))
    assert [type(event) for event in events] == [Evaluated, RolledBack, Stopped]
    assert of(Stopped, events)[0].reason == "interrupted"
    assert of(Stopped, events)[0].step == 4
    assert task.weights == pytest.approx(ByHand([0.1] * 4).weights, rel=NEAR)


# Snapshots


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("stop", [0, 1, 3, 4, 6])
def test_a_snapshot_is_all_that_another_trainer_needs(stop: int, optimizer: str) -> None:
    settings = config(max_steps=10, eval_every=3, optimizer=optimizer, momentum=0.5, clip_norm=1.0)
    straight = FakeTask(scores=[float(each) for each in range(9, 0, -1)])
    wanted = train(straight, settings)

    first = FakeTask(scores=[float(each) for each in range(9, 0, -1)])
    trainer = Trainer(first, settings, clock=first.clock)
    before = list(trainer.run(lambda: trainer.counters.step >= stop))[:-1]
    snapshot = trainer.capture()
    for _ in trainer.run():  # a snapshot shares no memory with what goes on
        pass
    second = FakeTask(scores=[float(each) for each in range(9 - len(before), 0, -1)])
    second.clock.now = 7e6  # another process, another clock
    after = list(Trainer(second, settings, snapshot, clock=second.clock).run())
    assert second.weights == straight.weights
    assert first.states[:stop] + second.states == straight.states
    assert [*before, *after][:-1] == wanted[:-1]


def test_a_snapshot_of_something_else_is_refused() -> None:
    task = FakeTask()
    snapshot = Trainer(task, config(max_steps=3), clock=task.clock).capture()
    model = LanguageModel(ModelConfig(vocabulary_size=3, hidden_size=2))
    other = LanguageModeling(
        model,
        np.arange(3, dtype=np.uint8),
        np.empty(0, np.uint8),
        config(max_steps=3, batch_size=1, seq_length=2),
    )
    with pytest.raises(RunError, match="does not fit"):
        Trainer(other, config(max_steps=3, batch_size=1, seq_length=2), snapshot)


# Half precision


def test_loss_scaling_changes_no_update() -> None:
    """Scales are powers of two, so not a bit changes."""
    plain, scaled = FakeTask(), FakeTask()
    train(plain, config(max_steps=10, clip_norm=1.0))
    events = train(scaled, config(max_steps=10, clip_norm=1.0, precision="fp16"))
    assert scaled.weights == plain.weights
    assert of(Stopped, events)[0].epoch_loss == pytest.approx(
        mean(ByHand([0.1] * 10, 1.0).losses[4:8]), rel=NEAR
    )


def test_an_overflow_of_scaled_gradients_skips_the_step_and_is_no_divergence() -> None:
    task = FakeTask(bad={1: ("gradient inf", 1)})
    events = train(task, config(max_steps=4, eval_every=4, precision="fp16"))
    assert not of(RolledBack, events)
    rates = [0.1, 0.0, 0.1, 0.1]
    assert task.weights == pytest.approx(ByHand(rates).weights, rel=NEAR)
    assert math.isfinite(of(Evaluated, events)[0].gradient_norm)


# Windows of other lengths, and penalties


class Ragged(FakeTask):
    """Its windows have 3, 6, 12 and 1 items."""

    items = (3, 6, 12, 1)


def test_short_windows_take_short_steps_and_count_for_what_they_hold() -> None:
    task = Ragged(step_seconds=0.125)
    events = train(task, config(max_steps=10, eval_every=6))
    hand = ByHand([0.1 * Ragged.items[step % 4] / 6 for step in range(10)])
    assert task.weights == pytest.approx(hand.weights, rel=NEAR)
    for event, (start, stop) in zip(of(Evaluated, events), [(0, 6), (6, 10)], strict=True):
        items = [Ragged.items[step % 4] for step in range(start, stop)]
        nats = sum(n * loss for n, loss in zip(items, hand.losses[start:stop], strict=True))
        assert event.loss == pytest.approx(nats / sum(items), rel=NEAR)
        assert event.gradient_norm == pytest.approx(mean(hand.norms[start:stop]), rel=NEAR)
        assert event.items_per_second == pytest.approx(sum(items) / (stop - start) / 0.125)
        assert event.learning_rate == 0.1
    nats = sum(n * loss for n, loss in zip(Ragged.items, hand.losses[4:8], strict=True))
    assert of(Stopped, events)[0].epoch_loss == pytest.approx(nats / 22, rel=NEAR)


class Penalized(FakeTask):
    def penalty(self, w: Tensor) -> Tensor:
        return 100 + 3 * w.sum()


def test_a_penalty_is_minimized_and_not_reported() -> None:
    task = Penalized()
    events = train(task, config(max_steps=1, learning_rate=0.5))
    assert task.weights == pytest.approx([0.5 * (t - 3) for t in TARGETS[0]], rel=NEAR)
    assert of(Evaluated, events)[0].loss == pytest.approx(7.0)


# Averages of the weights


def iterates(steps: int, rate: float = 0.1) -> list[np.ndarray]:
    """Weights before training and after each step of plain SGD."""
    return [np.array(ByHand([rate] * step).weights) for step in range(steps + 1)]


class Watching(FakeTask):
    """It keeps the weights that each evaluation saw."""

    def evaluate(self, should_stop: Callable[[], bool]) -> CrossEntropy | None:
        self.seen = [*getattr(self, "seen", []), self.weights]
        return super().evaluate(should_stop)


def test_an_exponential_average_forgets_where_training_began() -> None:
    task = Watching()
    events = train(task, config(max_steps=9, eval_every=3, ema_decay=0.4))
    raw = iterates(9)
    ema = [raw[0]]
    for n in range(1, 10):
        decay = min(0.4, (1 + n) / (10 + n))
        ema.append(decay * ema[-1] + (1 - decay) * raw[n])
    assert (1 + 4) / (10 + 4) < 0.4 < (1 + 6) / (10 + 6)  # both are reached
    wanted = [each for step in (3, 6, 9) for each in (raw[step], ema[step])]
    np.testing.assert_allclose(task.seen, wanted, rtol=NEAR)
    assert task.weights == pytest.approx(raw[9].tolist(), rel=NEAR)
    assert [list(event.scores) for event in of(Evaluated, events)] == [["raw", "ema"]] * 3


def test_the_better_weights_are_those_that_count() -> None:
    task = FakeTask(scores=[3.0, 4.0, 2.9, 2.5, 2.6, 2.7])
    events = train(task, config(max_steps=6, eval_every=2, ema_decay=0.9))
    told = of(Evaluated, events)
    assert [event.weights for event in told] == ["raw", "ema", "raw"]
    assert [event.score for event in told] == [
        CrossEntropy(6.0, 2),
        CrossEntropy(5.0, 2),
        CrossEntropy(5.2, 2),
    ]
    assert [event.improved for event in told] == [True, True, False]
    assert told[1].scores == {"raw": CrossEntropy(5.8, 2), "ema": CrossEntropy(5.0, 2)}


def test_where_nothing_is_held_out_the_average_is_taken() -> None:
    events = train(FakeTask(holds_out=False), config(max_steps=4, ema_decay=0.9))
    assert {event.weights for event in of(Evaluated, events)} == {"ema"}
    events = train(FakeTask(holds_out=False), config(max_steps=4, average_after=1))
    assert {event.weights for event in of(Evaluated, events)} == {"raw"}


def test_a_plain_average_begins_once_scores_get_no_better() -> None:
    # Raw 5, 4, 4.5, 4.2: two that are no better. Then raw and average, in turns.
    task = Watching(scores=[5.0, 4.0, 4.5, 4.2, 4.4, 3.9, 4.4, 4.3])
    settings = config(max_steps=12, eval_every=2, average_after=2)
    trainer = Trainer(task, settings, clock=task.clock)
    kept = {}
    events = []
    for event in trainer.run():
        events.append(event)
        if isinstance(event, Evaluated):
            kept[event.step] = trainer.weights(event.weights)["w"].flatten().tolist()
    raw = iterates(12)
    told = of(Evaluated, events)
    assert [event.weights for event in told] == ["raw"] * 4 + ["average"] * 2
    assert [event.improved for event in told] == [True, True, False, False, True, False]
    # The mean of the weights after steps 8 (when it began) to 10, and to 12.
    for step in (10, 12):
        np.testing.assert_allclose(kept[step], np.mean(raw[8 : step + 1], axis=0), rtol=NEAR)
    np.testing.assert_allclose(task.seen[-2:], [raw[12], kept[12]], rtol=NEAR)


def test_patience_counts_anew_once_averaging_begins() -> None:
    settings = config(max_steps=100, eval_every=1, average_after=2, patience=3)
    events = train(FakeTask(scores=[1.0] * 30), settings)
    # One good, two that are not, three more with an average.
    assert of(Stopped, events) == [Stopped(6, "patience", 9.0, of(Stopped, events)[0].epoch_loss)]


def test_rollback_takes_the_averages_back_too() -> None:
    task = Watching(bad={6: ("nan", 1)}, scores=[9.0, 9.0, 9.5, 9.5, *range(8, 0, -1)])
    settings = config(max_steps=12, eval_every=2, average_after=1, ema_decay=0.5)
    trainer = Trainer(task, settings, clock=task.clock)
    before = {}
    for event in trainer.run():
        if isinstance(event, Evaluated):
            before = {k: v.clone() for k, v in trainer.learner.averages.tensors().items()}
        elif isinstance(event, RolledBack):
            after = trainer.learner.averages.tensors()
            assert before.keys() == after.keys() == {"ema/w", "average/w"}
            assert all(torch.equal(before[name], each) for name, each in after.items())
            break
    else:
        pytest.fail("nothing was rolled back")


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 9])
def test_averages_are_part_of_a_snapshot(stop: int) -> None:
    settings = config(max_steps=12, eval_every=3, average_after=1, ema_decay=0.9)
    scores = [9.0, 9.0, 9.5, 9.5, 8.0, 7.0, 7.5, 6.0, 6.0, 5.0]
    straight = Watching(scores=scores)
    wanted = list(Trainer(straight, settings, clock=straight.clock).run())
    first = Watching(scores=scores)
    trainer = Trainer(first, settings, clock=first.clock)
    before = list(trainer.run(lambda: trainer.counters.step >= stop))[:-1]
    second = Watching(scores=scores[first.evaluations :])
    after = list(Trainer(second, settings, trainer.capture(), clock=second.clock).run())
    assert [*getattr(first, "seen", []), *second.seen] == straight.seen
    assert [*before, *after][:-1] == wanted[:-1]


def test_an_evaluation_that_is_stopped_leaves_the_weights_in_their_place() -> None:
    task = FakeTask()
    trainer = Trainer(task, config(max_steps=4, eval_every=4, ema_decay=0.9), clock=task.clock)
    asked = itertools.count()
    # Asked before each step and the evaluation, in the first evaluation, and in the second.
    list(trainer.run(lambda: next(asked) >= 6))
    assert task.evaluations == 1
    assert task.weights == pytest.approx(ByHand([0.1] * 4).weights, rel=NEAR)


# The real task


def real_task(
    ids: np.ndarray, settings: TextTrainConfig, cell: str = "gru", **model_settings: object
) -> LanguageModeling:
    values = {"vocabulary_size": 5, "hidden_size": 6, **model_settings}
    model = LanguageModel(ModelConfig(cell=cell, **values))  # type: ignore[arg-type]
    model.initialize("uniform", 1)
    return LanguageModeling(model, ids, ids[:30], settings)


def some_ids(length: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(5, size=length).astype(np.uint8)


@pytest.mark.parametrize("sampling", ["sequential", "random"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_loss_of_a_language_model_is_the_cross_entropy_of_its_window(
    sampling: str, cell: str
) -> None:
    settings = config(max_steps=9, batch_size=3, seq_length=7, sampling=sampling)
    task = real_task(some_ids(), settings, cell)
    assert task.items_per_step == 21
    windows = Windows(some_ids(), 3, 7, sampling, 0)
    assert task.load_epoch(1) == (windows.load(1) or windows.count) > 2
    state = task.initial_state()
    by_hand = task.model.initial_state(3)
    for index in range(windows.count):
        loss, state, *_ = task.loss(task.batch(index), state)
        if sampling == "random":
            by_hand = task.model.initial_state(3)
        logits, by_hand = task.model(windows[index].inputs, by_hand)
        p = F.softmax(logits.double(), -1).gather(-1, windows[index].targets[..., None])
        assert loss.item() == pytest.approx(-p.log().mean().item(), rel=NEAR)
        for got, wanted in zip(state, by_hand, strict=True):
            torch.testing.assert_close(got, wanted)


def test_a_first_window_begins_with_a_zero_state_whatever_it_is_handed() -> None:
    settings = config(max_steps=9, batch_size=3, seq_length=7)
    task = real_task(some_ids(), settings)
    zeros, ones = task.initial_state(), tuple(torch.ones_like(s) for s in task.initial_state())
    assert torch.equal(task.loss(task.batch(0), zeros)[0], task.loss(task.batch(0), ones)[0])
    assert not torch.equal(task.loss(task.batch(1), zeros)[0], task.loss(task.batch(1), ones)[0])


@pytest.mark.parametrize(("a", "b"), [(2.0, 0.0), (0.0, 3.0), (2.0, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize("T", [1, 7])
def test_penalties_are_those_of_merity(a: float, b: float, T: int) -> None:
    settings = config(
        max_steps=9, batch_size=3, seq_length=T, activation_penalty=a, temporal_penalty=b
    )
    task = real_task(some_ids(), settings, output_dropout=0.5, num_layers=2)
    task.model.train()
    torch.manual_seed(4)
    loss, _, _, penalty, _ = task.loss(task.batch(0), task.initial_state())
    inputs, targets = task.windows[0].inputs, task.windows[0].targets
    h, _ = task.model.rnn(inputs, task.initial_state())
    torch.manual_seed(4)
    h = h.detach()
    dropped = h * dropout_mask(h, (1, 3, 6), 0.5)
    wanted = a * sum(float(each) ** 2 for each in dropped.flatten()) / dropped.numel()
    for t in range(T - 1):
        wanted += b * float(((h[t] - h[t + 1]) ** 2).sum()) / ((T - 1) * 3 * 6)
    if a or (b and T > 1):
        assert penalty.item() == pytest.approx(wanted, rel=NEAR)
        assert penalty.requires_grad
    else:
        assert penalty is None
    plain = F.cross_entropy(task.model.logits(dropped).flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(plain.item(), rel=NEAR)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_streams_that_are_reset_begin_with_a_zero_state(cell: str) -> None:
    settings = config(max_steps=9, batch_size=4, seq_length=7, reset_probability=0.5)
    task = real_task(some_ids(), settings, cell)
    state = tuple(torch.ones_like(each) for each in task.initial_state())
    for index in range(1, task.windows.count):
        window = task.windows[index]
        score_with = tuple(each.clone() for each in state)
        for stream in range(4):
            if window.resets[stream]:
                for each in score_with:
                    each[:, stream] = 0
        _, wanted = task.model(window.inputs, score_with)
        for got, each in zip(task.loss(task.batch(index), state)[1], wanted, strict=True):
            torch.testing.assert_close(got, each)


def test_windows_of_random_lengths_tell_their_items() -> None:
    settings = config(max_steps=9, batch_size=3, seq_length=7, random_lengths=True)
    task = real_task(some_ids(), settings)
    items = [
        task.loss(task.batch(i), task.initial_state()).items for i in range(task.windows.count)
    ]
    assert items == [task.windows[i].inputs.numel() for i in range(task.windows.count)]
    assert len(set(items)) > 1
    assert task.items_per_step == 21


@pytest.mark.parametrize("width", [np.uint8, np.uint16, np.uint32])
def test_ids_of_any_width_train_alike(width: type) -> None:
    settings = config(max_steps=3, batch_size=3, seq_length=7)
    losses = [
        task.loss(task.batch(0), task.initial_state())[0]
        for task in (real_task(some_ids().astype(each), settings) for each in (np.uint8, width))
    ]
    assert torch.equal(*losses)


@pytest.mark.parametrize("length", [0, 1])
def test_fewer_than_two_characters_are_nothing_to_score(length: int) -> None:
    task = real_task(some_ids(), config(max_steps=3, batch_size=3, seq_length=7))
    assert task.holds_out
    task.held_out = some_ids(length)
    assert not task.holds_out


@pytest.mark.parametrize("embedding_size", [0, 3])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_bf16_trains_with_a_float32_state_and_nearly_the_same_loss(
    cell: str, embedding_size: int
) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        settings = config(max_steps=3, batch_size=3, seq_length=7, precision=precision)
        task = real_task(some_ids(), settings, cell, embedding_size=embedding_size)
        loss, state, *_ = task.loss(task.batch(0), task.initial_state())
        assert loss.dtype == torch.float32
        assert all(each.dtype == torch.float32 for each in state)
        losses[precision] = loss.item()
    # Logits, below 1 in size, come of rounded states and are rounded again, to 8 bits each time; a
    # loss moves by no more than twice what the logits do.
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=2 * 2 * 2**-8)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_language_model_learns_a_text_that_repeats_itself(optimizer: str) -> None:
    ids = np.tile(np.array([1, 2, 3, 4, 2], dtype=np.uint8), 60)
    rate = {"sgd": 1.0}.get(optimizer, 0.02)
    settings = config(
        max_steps=150,
        batch_size=4,
        seq_length=10,
        optimizer=optimizer,
        learning_rate=rate,
        clip_norm=1.0,
    )
    events = list(Trainer(real_task(ids, settings, hidden_size=12), settings).run())
    first, last = of(Evaluated, events)[0], of(Evaluated, events)[-1]
    assert first.score is not None
    assert last.score is not None
    assert last.loss < 0.1 < first.loss
    assert last.score.perplexity < 1.5
    assert of(Stopped, events)[0].epoch_loss < 0.1


@pytest.mark.parametrize("eval_every", [1, 2, 1000])
def test_an_absurd_learning_rate_leaves_finite_weights(eval_every: int) -> None:
    settings = config(
        max_steps=20, batch_size=3, seq_length=7, learning_rate=1e30, eval_every=eval_every
    )
    task = real_task(some_ids(), settings)
    events = list(itertools.islice(Trainer(task, settings).run(), 200))
    assert of(Stopped, events), "it goes on for ever"
    assert of(Stopped, events)[0].reason == "diverged"
    assert 1 <= len(of(RolledBack, events)) <= 4
    assert all(weight.isfinite().all() for weight in task.model.parameters())
