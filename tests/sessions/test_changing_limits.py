"""A run that goes on with other limits does what they say, and nobody is surprised by it."""

from pathlib import Path
from typing import Any

import pytest

import charlm
from charlm.errors import UsageError
from charlm.sessions.session import Notice
from charlm.tasks.language_modeling import dataset
from charlm.training.events import Evaluated, Progressed, Stopped
from charlm.training.optimization import scheduled_rate

TEXT = "the time traveller smiled round at us. then, still smiling faintly, he went. " * 4
TINY: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "precision": "fp32",
}


class Heard(list[Any]):
    """A listener that remembers."""

    def of(self, kind: type) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]

    @property
    def rates(self) -> list[str]:
        return [event.text for event in self.of(Notice) if "learning rate" in event.text]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.setattr(dataset, "baselines", lambda *_: {})
    Path("book.txt").write_text(TEXT, encoding="utf-8")


def train(heard: Heard | None = None, **settings: Any) -> charlm.Run:
    listener = heard.append if heard is not None else None
    return charlm.train("book.txt", run="a", listener=listener, **{**TINY, **settings})


def resume(heard: Heard, **settings: Any) -> charlm.Run:
    return charlm.resume("a", listener=heard.append, **settings)


LIMITS: dict[str, float] = {"max_minutes": 1e-5, "epochs": 1, "max_steps": 5}


@pytest.mark.parametrize("first", LIMITS)
@pytest.mark.parametrize("then", [{"max_steps": 60}, {"epochs": 3}], ids=str)
def test_a_limit_by_name_replaces_the_others(first: str, then: dict[str, int]) -> None:
    train(**{first: LIMITS[first]})
    run = resume(Heard(), **then)
    config = run.directory.settings.train
    limits = {"epochs": config.epochs, "max_steps": config.max_steps}
    assert {n: v for n, v in limits.items() if v is not None} == then
    assert config.max_minutes is None
    assert run.directory.record.status == "done"
    if "max_steps" in then:
        assert run.result["steps"] == 60


def test_an_interrupted_default_run_goes_on_by_steps() -> None:
    stop = iter([False] * 4)
    charlm.train("book.txt", run="a", should_stop=lambda: next(stop, True), **TINY)
    assert charlm.load("a").directory.record.status == "interrupted"
    run = resume(Heard(), max_steps=12)
    assert (run.directory.record.status, run.result["steps"]) == ("done", 12)
    assert run.directory.record.train["max_minutes"] is None


def test_several_limits_by_name_all_hold() -> None:
    train(max_steps=5)
    run = resume(Heard(), max_steps=60, epochs=1)
    assert run.result["steps"] < 60


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ({"max_steps": 5}, {}, "after 5 steps it has reached --max-steps 5"),
        ({"max_steps": 5}, {"max_steps": 4}, "after 5 steps it has reached --max-steps 4"),
        ({"max_steps": 5}, {"patience": 9}, "--max-steps 5"),
        ({"max_minutes": 1e-5}, {"max_minutes": 1e-6}, "--max-minutes 1e-06"),
        ({"epochs": 1}, {}, "--epochs 1"),
        ({"epochs": 1}, {"max_minutes": 1e-5}, "--max-minutes 1e-05"),
    ],
    ids=str,
)
def test_a_limit_that_is_reached_is_named(
    first: dict[str, Any], then: dict[str, Any], words: str
) -> None:
    train(**first)
    with pytest.raises(UsageError, match=words):
        resume(Heard(), **then)


def test_a_longer_limit_is_followed_by_no_evaluation_of_its_own() -> None:
    """Those that are made are at the tenths of the new limit."""
    train(max_steps=20)
    heard = Heard()
    resume(heard, max_steps=60)
    assert [event.step for event in heard.of(Evaluated)] == [24, 30, 36, 42, 48, 54, 60]


def test_a_longer_limit_costs_no_patience() -> None:
    # So small a step changes no score, and equal is no better.
    train(max_steps=20, learning_rate=1e-12, patience=11)
    heard = Heard()
    run = resume(heard, max_steps=60)
    # Nine of the first ten evaluations brought nothing, and two more end it.
    assert [event.step for event in heard.of(Evaluated)] == [24, 30]
    assert run.directory.record.status == "patience"


def test_rollbacks_do_not_bring_the_old_tenths_back(monkeypatch: pytest.MonkeyPatch) -> None:
    train(max_steps=20)
    heard = Heard()
    real = dataset.LanguageModeling.evaluate
    bad = iter([True])

    def evaluate(self: Any, should_stop: Any) -> Any:
        score = real(self, should_stop)
        return type(score)(float("inf"), 1) if next(bad, False) else score

    monkeypatch.setattr(dataset.LanguageModeling, "evaluate", evaluate)
    resume(heard, max_steps=60)
    assert [event.step for event in heard.of(Evaluated)] == [24, 30, 36, 42, 48, 54, 60]


def test_what_the_cosine_will_do_is_said_once_and_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlm.training.trainer.REPORT_SECONDS", 0)
    settings: dict[str, Any] = {"learning_rate": 1e-2, "schedule": "cosine", "warmup_steps": 0}
    train(max_steps=20, **settings)
    heard = Heard()
    run = resume(heard, max_steps=40)
    (said,) = heard.rates
    config = run.directory.settings.train
    assert said == (
        f"The learning rate was at 0.0001 and goes on at {scheduled_rate(config, 20, 0.5):.2g}, on "
        "a cosine that ends with the run."
    )
    assert heard.of(Progressed)[0].learning_rate == pytest.approx(
        scheduled_rate(config, 21, 21 / 40)
    )


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"schedule": "constant"}, {"max_steps": 40}),
        ({"schedule": "cosine"}, {"max_steps": 40, "learning_rate": None}),
        ({"schedule": "constant"}, {"max_steps": 40, "patience": 3, "eval_every": 4}),
    ],
    ids=str,
)
def test_a_rate_that_stays_is_no_news(settings: dict[str, Any], changes: dict[str, Any]) -> None:
    train(max_steps=20, **settings)
    heard = Heard()
    resume(heard, **changes)
    assert len(heard.rates) == (settings["schedule"] == "cosine")


def test_a_learning_rate_by_name_is_what_it_says_even_after_rollbacks() -> None:
    wild: dict[str, Any] = {"optimizer": "sgd", "schedule": "constant", "clip_norm": 0.0}
    with pytest.raises(charlm.CharlmError, match="diverged"):
        train(max_steps=20, learning_rate=1e30, warmup_steps=0, **wild)
    heard = Heard()
    resume(heard, learning_rate=0.25)
    (said,) = heard.rates
    assert said.endswith("and goes on at 0.25.")
    assert {event.learning_rate for event in heard.of(Evaluated)} == {0.25}
    assert heard.of(Stopped)[0].reason == "done"


def test_a_run_that_goes_on_unchanged_says_nothing_of_it() -> None:
    stop = iter([False] * 8)
    charlm.train("book.txt", run="a", max_steps=20, should_stop=lambda: next(stop, True), **TINY)
    heard = Heard()
    resume(heard, max_steps=20)
    assert heard.rates == []
