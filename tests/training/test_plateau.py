"""A learning rate that falls when the held-out score stalls: as torch's, and beside all else."""

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trainer import NEAR, ByHand, FakeTask, config, of, train
from torch.optim.lr_scheduler import ReduceLROnPlateau

from charlm.config import TextTrainConfig
from charlm.errors import SettingError
from charlm.training.events import Evaluated, RateLowered, Stopped
from charlm.training.stalling import lower_rate, plateau_rate, record_score
from charlm.training.state import Counters, Snapshot
from charlm.training.trainer import Trainer

STALLED = [1.0] * 40


def of_torch(
    figures: Sequence[float], mode: str, patience: int, factor: float, least: float
) -> list[float]:
    """The rate after each evaluation, as torch has it, from 0.3 on."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = ReduceLROnPlateau(
        optimizer,
        mode=mode,  # type: ignore[arg-type]
        factor=factor,
        patience=patience - 1,
        threshold=0.0,
        threshold_mode="abs",
        min_lr=least,
        eps=0.0,
    )
    rates = []
    for figure in figures:
        scheduler.step(figure)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@settings(deadline=None, max_examples=60)
@given(
    # Of so few numbers many are equal, which is no better.
    st.lists(st.integers(0, 9), min_size=1, max_size=80),
    st.booleans(),
    st.integers(1, 6),
    st.floats(0.05, 0.95),
    st.sampled_from([0.0, 1e-3, 0.1, 0.29]),
)
def test_the_rate_falls_when_torchs_does(
    figures: list[int], more_is_better: bool, patience: int, factor: float, least: float
) -> None:
    """Of a figure of which more is better, a score's loss is the negative."""
    chosen = config(
        max_steps=1,
        learning_rate=0.3,
        schedule="plateau",
        plateau_patience=patience,
        plateau_factor=factor,
        min_learning_rate=least,
    )
    counters, rates, falls = Counters(step=1), [], 0
    for figure in figures:
        loss = -figure if more_is_better else figure
        record_score(counters, chosen, loss, loss)
        falls += lower_rate(counters, chosen)
        rates.append(plateau_rate(chosen, counters.reductions))
    mode = "max" if more_is_better else "min"
    assert rates == pytest.approx(of_torch(figures, mode, patience, factor, least), rel=1e-12)
    assert falls == len({0.3, *rates}) - 1


def plateau(**values: object) -> TextTrainConfig:
    """Settings of which two evaluations without a better score are a plateau."""
    return config(**{"schedule": "plateau", "plateau_patience": 2, **values})


def test_steps_are_taken_at_the_rate_that_fell() -> None:
    task = FakeTask(scores=[3.0, 2.0, 2.5, 2.0, 1.9, 2.0, 2.0])
    chosen = plateau(max_steps=14, eval_every=2, plateau_factor=0.25)
    events = train(task, chosen)
    # The fourth score is the second without a better one; so is the seventh, at the end.
    by_hand = ByHand([0.1] * 8 + [0.025] * 6)
    assert task.weights == pytest.approx(by_hand.weights, rel=NEAR)
    evaluated = of(Evaluated, events)
    rates = [event.learning_rate for event in evaluated]
    assert rates == pytest.approx([0.1] * 3 + [0.025] * 3 + [0.025 / 4], rel=1e-12)
    first, second = of(RateLowered, events)
    assert events[events.index(first) - 1] is evaluated[3]
    assert (first.step, first.after, second.step) == (8, 2, 14)
    assert (first.before, first.learning_rate) == pytest.approx((0.1, 0.025), rel=1e-12)


def test_evaluations_during_warm_up_do_not_count() -> None:
    chosen = plateau(max_steps=12, eval_every=2, warmup_steps=6)
    lowered = of(RateLowered, train(FakeTask(scores=STALLED), chosen))
    # Those after 2, 4 and 6 steps say nothing; those after 8 and 10 do.
    assert [event.step for event in lowered] == [10]
    assert lowered[0].before == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize(
    ("patience", "falls"), [(5, [6, 10]), (4, [6]), (3, [6])], ids=["later", "together", "sooner"]
)
def test_patience_ends_what_no_lower_rate_has_helped(patience: int, falls: list[int]) -> None:
    """The first evaluation is the best; the plateau is one of two."""
    chosen = plateau(max_steps=99, eval_every=2, patience=patience)
    events = train(FakeTask(scores=STALLED), chosen)
    assert [event.step for event in of(RateLowered, events)] == falls
    (stopped,) = of(Stopped, events)
    assert (stopped.reason, stopped.step) == ("patience", 2 + 2 * patience)


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_that_would_end_training_first_is_refused(patience: int) -> None:
    with pytest.raises(SettingError) as caught:
        plateau(max_steps=9, patience=patience)
    assert caught.value.in_options() == (
        f"--plateau-patience must be below --patience, which is {patience}: training would end "
        "before the rate falls."
    )
    config(max_steps=9, patience=patience)


def test_the_least_rate_is_below_the_highest() -> None:
    with pytest.raises(SettingError) as caught:
        plateau(max_steps=9, learning_rate=0.1, min_learning_rate=0.1)
    assert (
        caught.value.in_options()
        == "--min-learning-rate must be below --learning-rate, which is 0.1."
    )


def test_what_counts_is_the_weights_own_score_and_not_that_of_their_average() -> None:
    # Of each evaluation the score of the weights, and that of their average, which gets better.
    scores = [5.0, 5.0, 4.0, 4.5, 4.1, 3.9, 3.5, 3.0, 3.6, 2.9, 3.5, 2.8]
    chosen = plateau(max_steps=6, eval_every=1, ema_decay=0.5)
    events = train(FakeTask(scores=scores), chosen)
    assert [event.step for event in of(RateLowered, events)] == [6]
    assert all(event.improved for event in of(Evaluated, events))


def test_an_average_that_begins_is_given_its_time_first() -> None:
    chosen = plateau(max_steps=8, eval_every=1, average_after=2)
    lowered = of(RateLowered, train(FakeTask(scores=STALLED), chosen))
    # After 3 steps the average begins, and all is counted anew.
    assert [event.step for event in lowered] == [5, 7]


def test_where_nothing_is_held_out_no_rate_falls() -> None:
    chosen = plateau(max_steps=9, eval_every=1)
    assert not of(RateLowered, train(FakeTask(holds_out=False), chosen))


def test_divergence_halves_the_rate_that_there_is() -> None:
    task = FakeTask(scores=STALLED, bad={7: ("nan", 1)})
    chosen = plateau(max_steps=10, eval_every=2, min_learning_rate=0.01)
    evaluated = of(Evaluated, train(task, chosen))
    # It falls after 6 steps, and after 8 training goes back to there.
    rates = [event.learning_rate for event in evaluated]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.025, 0.0125], rel=1e-12)


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_snapshot_remembers_the_rate_and_how_far_the_plateau_is(stop: int) -> None:
    chosen = plateau(max_steps=12, eval_every=1, plateau_patience=3)
    straight = FakeTask(scores=STALLED)
    train(straight, chosen)
    first = FakeTask(scores=STALLED)
    trainer = Trainer(first, chosen, clock=first.clock)
    events = trainer.run(lambda: trainer.counters.step >= stop)
    assert list(events)[-1].reason == "interrupted"  # type: ignore[union-attr]
    other = FakeTask(scores=STALLED)
    resumed = Trainer(other, chosen, snapshot=trainer.capture(), clock=other.clock)
    assert list(resumed.run())
    assert other.weights == straight.weights


def test_a_state_of_an_older_charlm_is_read() -> None:
    scalars = Snapshot({}, {}, Counters(step=3, best=1.5, stale=2)).scalars()
    for name in ("own_best", "plateau", "reductions"):
        del scalars["counters"][name]
    counters = Snapshot.from_arrays({}, {}, scalars).counters
    assert (counters.stale, counters.plateau, counters.reductions) == (2, 0, 0)


def test_a_new_learning_rate_applies_in_full() -> None:
    task = FakeTask(scores=STALLED)
    before = plateau(max_steps=8, eval_every=1)
    trainer = Trainer(task, before, clock=task.clock)
    list(trainer.run())
    assert trainer.learning_rate == pytest.approx(0.1 / 2**3, rel=1e-12)
    after = plateau(max_steps=9, eval_every=1, learning_rate=0.06)
    again = Trainer(task, after, snapshot=trainer.capture(), clock=task.clock)
    again.adopt_settings(before)
    assert again.learning_rate == pytest.approx(0.06, rel=1e-12)


def test_a_rate_that_can_fall_no_further_is_told_of_no_more() -> None:
    chosen = plateau(max_steps=40, eval_every=1, min_learning_rate=0.04)
    lowered = of(RateLowered, train(FakeTask(scores=STALLED), chosen))
    rates = [event.learning_rate for event in lowered]
    assert rates == pytest.approx([0.05, 0.04], rel=1e-12)
    assert all(math.isfinite(rate) for rate in rates)
