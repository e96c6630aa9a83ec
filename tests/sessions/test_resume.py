"""A run that was interrupted and resumed equals one that never was, bit for bit, on the disk.

What is compared is everything in the run's folder: weights, optimizer, recurrent state, totals,
random generators, counters and metrics, apart from what depends on the clock.
"""

import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from twins import TEXT, TINY, Twins, arrays_on_disk, stops_after
from twins import book as book
from twins import no_baselines as no_baselines
from twins import no_reports as no_reports

import charlm
from charlm.errors import CharlmError, RunError, SettingError, UsageError
from charlm.rnn.cells import CELLS
from charlm.runs.directory import RunDirectory
from charlm.scoring import exact as evaluation
from charlm.sessions.session import Notice
from charlm.training.events import Evaluated, Stopped

SETTINGS = {
    "adamw, sequential, everything dropped": {
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "schedule": "cosine",
        "warmup_steps": 3,
        "num_layers": 2,
        "dropout": 0.3,
        "output_dropout": 0.3,
        "weight_drop": 0.3,
        "initialization": "orthogonal",
        "seed": 4,
    },
    "averaged, ragged, penalized": {
        "optimizer": "adamw",
        "learning_rate": 0.3,
        "input_dropout": 0.2,
        "output_dropout": 0.2,
        "random_lengths": True,
        "reset_probability": 0.2,
        "activation_penalty": 1.0,
        "temporal_penalty": 1.0,
        "ema_decay": 0.95,
        "average_after": 1,
        "seed": 6,
    },
    "sgd with momentum, random": {
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.9,
        "sampling": "random",
        "weight_drop": 0.2,
        "seed": 5,
    },
    "sgd, one-hot": {
        "optimizer": "sgd",
        "learning_rate": 1.0,
        "embedding_size": 0,
        "initialization": "normal",
    },
    "adam, tied, random": {
        "optimizer": "adam",
        "sampling": "random",
        "tie_weights": True,
        "output_dropout": 0.5,
    },
}
MODELS = [
    *(({"cell": cell}, "auto") for cell in CELLS),
    ({"cell": "gru", "reset_after": False}, "auto"),
    ({"cell": "lstm"}, "scratch"),
]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(("model", "backend"), MODELS, ids=str)
def test_a_resumed_run_equals_a_straight_one(
    model: dict[str, Any], backend: str, settings: dict[str, Any], book: Path, tmp_path: Path
) -> None:
    # An epoch has 18 windows here, so that 40 steps are two epochs and a bit.
    twins = Twins(book, tmp_path, max_steps=40, eval_every=9, backend=backend, **model, **settings)
    first = twins.train("twin", should_stop=stops_after(15))  # in the midst of an epoch
    assert first.directory.record.status == "interrupted"
    assert 9 < json.loads((first.path / "last/training.json").read_text())["counters"]["step"] < 18
    resumed = charlm.resume("twin", runs_dir=tmp_path, backend=backend)
    assert resumed.directory.record.status == "done"
    assert resumed.result["steps"] == 40
    twins.assert_same("twin")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("cell", CELLS)
def test_lower_precision_resumes_too(cell: str, precision: str, book: Path, tmp_path: Path) -> None:
    twins = Twins(
        book, tmp_path, cell=cell, max_steps=12, eval_every=4, weight_drop=0.3, precision=precision
    )
    twins.interrupted_and_resumed("twin", 7)
    twins.assert_same("twin")


def test_scratch_under_autocast_resumes_too(book: Path, tmp_path: Path) -> None:
    for cell in CELLS:
        twins = Twins(
            book,
            tmp_path / cell,
            cell=cell,
            backend="scratch",
            max_steps=6,
            eval_every=4,
            precision="bf16",
        )
        twins.train("twin", should_stop=stops_after(3))
        charlm.resume("twin", runs_dir=tmp_path / cell, backend="scratch")
        twins.assert_same("twin")


def test_interruption_at_every_moment_there_is(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each step, before and within each evaluation, and in the last one too."""
    monkeypatch.setattr(evaluation, "CHUNK", 16)  # two questions in an evaluation
    asked = itertools.count()

    def counting() -> bool:
        next(asked)
        return False

    settings = {"max_steps": 7, "eval_every": 3, "dropout": 0.3, "num_layers": 2}
    twins = Twins(book, tmp_path, **settings)
    twins.train("counted", should_stop=counting)
    moments = next(asked)
    assert moments >= 7 + 3 * 2
    for moment in range(moments):
        name = f"stopped-at-{moment}"
        stopped = twins.train(name, should_stop=stops_after(moment))
        assert stopped.directory.record.status == "interrupted"
        charlm.resume(name, runs_dir=tmp_path)
        twins.assert_same(name)


def test_a_rate_that_falls_at_plateaus_resumes_at_every_step(book: Path, tmp_path: Path) -> None:
    settings = {"max_steps": 9, "eval_every": 1, "learning_rate": 0.6, "warmup_steps": 0}
    twins = Twins(book, tmp_path, schedule="plateau", plateau_patience=2, **settings)
    rates = [row["learning_rate"] for row in twins.straight.metrics()]
    assert rates[0] > rates[-1]
    for step in range(1, 9):
        twins.interrupted_and_resumed(f"stopped-at-{step}", 3 * step)
        twins.assert_same(f"stopped-at-{step}")


def test_a_training_state_of_an_older_charlm_is_read(book: Path, tmp_path: Path) -> None:
    """It counted no plateaus, and had no such settings."""
    twins = Twins(book, tmp_path, max_steps=9, eval_every=2)
    stopped = twins.train("twin", should_stop=stops_after(6))
    for name, section, gone in (
        ("last/training.json", "counters", ("own_best", "plateau", "reductions")),
        ("run.json", "train", ("plateau_patience", "plateau_factor", "min_learning_rate")),
    ):
        found = json.loads((stopped.path / name).read_text(encoding="utf-8"))
        for each in gone:
            del found[section][each]
        (stopped.path / name).write_text(json.dumps(found), encoding="utf-8")
    charlm.resume("twin", runs_dir=tmp_path)
    twins.assert_same("twin")


def test_many_interruptions_are_as_good_as_none(book: Path, tmp_path: Path) -> None:
    twins = Twins(book, tmp_path, max_steps=30, eval_every=4, weight_drop=0.3)
    twins.interrupted_and_resumed("twin", 2, 1, 1, 9, 3, 0, 0, 5)
    twins.assert_same("twin")


def test_a_run_by_epochs_resumes_too(book: Path, tmp_path: Path) -> None:
    twins = Twins(book, tmp_path, epochs=3)
    twins.interrupted_and_resumed("twin", 20, 25)
    twins.assert_same("twin")
    assert twins.straight.result["train_perplexity"] > 1


def test_without_held_out_text_a_run_resumes_too(book: Path, tmp_path: Path) -> None:
    twins = Twins(book, tmp_path, epochs=2, val_fraction=0.0)
    twins.interrupted_and_resumed("twin", 13)
    twins.assert_same("twin")


def test_patience_is_remembered(book: Path, tmp_path: Path) -> None:
    # At this rate the score gets worse and worse.
    settings = {"max_steps": 400, "eval_every": 3, "patience": 3, "optimizer": "sgd"}
    twins = Twins(book, tmp_path, learning_rate=3.0, clip_norm=0.0, **settings)
    assert twins.straight.directory.record.status == "patience"
    steps = twins.straight.result["steps"]
    twins.interrupted_and_resumed("twin", steps)  # between the last two evaluations
    twins.assert_same("twin")


def test_training_longer_equals_training_long(book: Path, tmp_path: Path) -> None:
    """Of a constant learning rate the limit is no part."""
    settings = {"schedule": "constant", "eval_every": 5, "dropout": 0.2, "num_layers": 2}
    twins = Twins(book, tmp_path, max_steps=20, **settings)
    charlm.train(book, run="twin", runs_dir=tmp_path, **{**twins.settings, "max_steps": 10})
    charlm.resume("twin", runs_dir=tmp_path, max_steps=20)
    mine, theirs = arrays_on_disk(tmp_path / "twin"), arrays_on_disk(twins.straight.path)
    for name, array in mine.items():
        assert array.tobytes() == theirs[name].tobytes(), name
    assert [row["step"] for row in charlm.load("twin", runs_dir=tmp_path).metrics()] == [
        5, 10, 15, 20,
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["scratch", "builtin"])
def test_a_run_goes_on_with_another_backend(backend: str, book: Path, tmp_path: Path) -> None:
    other = {"scratch": "builtin", "builtin": "scratch"}[backend]
    twins = Twins(book, tmp_path, max_steps=12, eval_every=4, backend=backend, cell="lstm")
    twins.train("twin", should_stop=stops_after(6))
    resumed = charlm.resume("twin", runs_dir=tmp_path, backend=other)
    assert resumed.directory.record.backend == other
    mine, theirs = arrays_on_disk(tmp_path / "twin"), arrays_on_disk(twins.straight.path)
    for name, array in mine.items():
        if name.startswith("last/model"):
            np.testing.assert_allclose(array, theirs[name], rtol=1e-3, atol=1e-4, err_msg=name)


# Crashes


class Crash(BaseException):
    """What no code catches, like the power going."""


@pytest.mark.parametrize("method", ["save_best", "save_last", "append_metrics", "update"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_costs_nothing(
    method: str, late: bool, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before or just after something was written, at any time but the first."""
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3, weight_drop=0.3)
    original = getattr(RunDirectory, method)
    for doomed in itertools.count(1):
        calls = itertools.count()

        def crashing(self: RunDirectory, *args: Any, now: Callable[[], bool], **kw: Any) -> None:
            doom = now()
            if not doom or late:
                original(self, *args, **kw)
            if doom:
                raise Crash

        name = f"crash-{doomed}"
        now = partial(lambda calls, doomed: next(calls) == doomed, calls, doomed)
        with monkeypatch.context() as patch:
            patch.setattr(RunDirectory, method, partialmethod(crashing, now=now))
            try:
                twins.train(name)
                break
            except Crash:
                pass
        if (tmp_path / name / "last").exists():
            if charlm.load(name, runs_dir=tmp_path).directory.record.status != "done":
                charlm.resume(name, runs_dir=tmp_path)
            twins.assert_same(name)
    assert doomed > 1


def test_metrics_of_steps_that_were_lost_are_lost_too(book: Path, tmp_path: Path) -> None:
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3)
    run = twins.train("twin", should_stop=stops_after(5))
    run.directory.append_metrics({"step": 6, "nats": -1.0})
    with (run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 9, "na')
    charlm.resume("twin", runs_dir=tmp_path)
    twins.assert_same("twin")


# Nothing that looks on changes what is trained


def test_evaluating_changes_nothing_of_the_training(book: Path, tmp_path: Path) -> None:
    weights = []
    for eval_every in (1, 3, 1000):
        run = charlm.train(
            book,
            run=f"every-{eval_every}",
            runs_dir=tmp_path,
            max_steps=14,
            eval_every=eval_every,
            **TINY,
            num_layers=2,
            dropout=0.3,
            weight_drop=0.3,
        )
        weights.append(arrays_on_disk(run.path))
    for name, array in weights[0].items():
        if name.startswith("last/model") or "optimizer" in name or "random" in name:
            for others in weights[1:]:
                assert array.tobytes() == others[name].tobytes(), name


def test_a_curious_listener_changes_nothing_of_the_training(book: Path, tmp_path: Path) -> None:
    """It draws samples, scores texts and loads models while dropout is on."""
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3, weight_drop=0.3, output_dropout=0.3)

    def curious(event: object) -> None:
        if isinstance(event, Evaluated):
            run = charlm.load("twin", runs_dir=tmp_path)
            run.samples("the ", length=5, num_samples=2)
            run.evaluate()
            run.model()

    twins.train("twin", listener=curious)
    twins.assert_same("twin")


def test_the_global_generators_are_as_they_were(book: Path, tmp_path: Path) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    settings = {**TINY, "weight_drop": 0.3, "max_steps": 6}
    charlm.train(book, run="a", runs_dir=tmp_path, should_stop=stops_after(3), **settings)
    assert torch.equal(torch.get_rng_state(), before)
    charlm.resume("a", runs_dir=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    run = charlm.load("a", runs_dir=tmp_path)
    run.generate("the ", length=3)
    run.evaluate()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_seed_has_no_say(book: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    twins = Twins(book, tmp_path, max_steps=5, weight_drop=0.3)
    torch.manual_seed(2)
    twins.train("twin")
    twins.assert_same("twin")


def test_seeds_matter(book: Path, tmp_path: Path) -> None:
    """Else the tests above would show nothing."""
    runs = [
        charlm.train(book, run=f"seed-{seed}", runs_dir=tmp_path, max_steps=5, seed=seed, **TINY)
        for seed in (0, 1)
    ]
    mine, theirs = (arrays_on_disk(run.path) for run in runs)
    assert mine["last/model.safetensors: rnn.weight_hh_l0"].tobytes() != (
        theirs["last/model.safetensors: rnn.weight_hh_l0"].tobytes()
    )


# What is refused


@pytest.fixture
def stopped(book: Path, tmp_path: Path) -> charlm.Run:
    """A run that was interrupted in its midst."""
    return charlm.train(
        book, run="stopped", runs_dir=tmp_path, max_steps=9, should_stop=stops_after(5), **TINY
    )


def test_a_finished_run_is_refused_with_what_to_do(book: Path, tmp_path: Path) -> None:
    for limits in ({"max_steps": 3}, {"epochs": 1}):
        charlm.train(book, run="a", runs_dir=tmp_path, **TINY, **limits)
        with pytest.raises(UsageError, match="finished") as caught:
            charlm.resume("a", runs_dir=tmp_path)
        assert "--max-steps" in caught.value.hint
        with pytest.raises(UsageError, match="finished"):
            charlm.resume("a", runs_dir=tmp_path, **limits)
        charlm.load("a", runs_dir=tmp_path).evaluate()
        shutil.rmtree(tmp_path / "a")


def test_a_run_out_of_patience_is_refused_until_it_gets_more(book: Path, tmp_path: Path) -> None:
    settings = {**TINY, "optimizer": "sgd", "learning_rate": 1e-9, "eval_every": 1}
    # So small a step changes no score, and equal is no better.
    run = charlm.train(book, run="a", runs_dir=tmp_path, patience=2, max_steps=99, **settings)
    assert (run.directory.record.status, run.result["steps"]) == ("patience", 3)
    with pytest.raises(UsageError, match=r"finished|patience"):
        charlm.resume("a", runs_dir=tmp_path)
    resumed = charlm.resume("a", runs_dir=tmp_path, patience=4)
    assert (resumed.directory.record.status, resumed.result["steps"]) == ("patience", 5)


def test_a_changed_text_is_refused(stopped: charlm.Run, book: Path, tmp_path: Path) -> None:
    book.write_text(TEXT[:-1] + "!", encoding="utf-8")
    with pytest.raises(RunError, match="has changed since"):
        charlm.resume("stopped", runs_dir=tmp_path)
    book.write_text(TEXT, encoding="utf-8")
    assert charlm.resume("stopped", runs_dir=tmp_path).result["steps"] == 9


def test_a_missing_text_is_refused(stopped: charlm.Run, book: Path, tmp_path: Path) -> None:
    book.unlink()
    with pytest.raises(RunError, match="cannot be read"):
        charlm.resume("stopped", runs_dir=tmp_path)


@pytest.mark.parametrize("change", [None, TEXT[:-1] + "!", TEXT + TEXT, "short"])
def test_a_stored_text_that_is_not_what_it_was_is_refused(
    change: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that came from Python or standard input is kept in the run; None: it is gone."""
    run = charlm.train(
        charlm.Corpus.from_text(TEXT),
        run="a",
        runs_dir=tmp_path,
        max_steps=9,
        should_stop=stops_after(5),
        **TINY,
    )
    stored = run.path / "corpus.txt"
    assert stored.read_bytes().decode() == TEXT
    if change is None:
        stored.unlink()
    else:
        stored.write_text(change, encoding="utf-8")
    with pytest.raises(RunError):
        charlm.resume("a", runs_dir=tmp_path)
    with pytest.raises(RunError):
        charlm.load("a", runs_dir=tmp_path).evaluate()


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", 7), ("batch_size", 2), ("seed", 9), ("optimizer", "sgd"), ("cel", "gru")],
)
def test_settings_that_cannot_change_are_refused(
    name: str, value: object, stopped: charlm.Run, tmp_path: Path
) -> None:
    before = (stopped.path / "run.json").read_bytes()
    with pytest.raises(SettingError, match=f"{name} cannot change") as caught:
        charlm.resume("stopped", runs_dir=tmp_path, **{name: value})
    assert "max_steps" in caught.value.message
    assert (stopped.path / "run.json").read_bytes() == before


def test_settings_that_can_change_are_checked(stopped: charlm.Run, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="max_steps must be at least 1"):
        charlm.resume("stopped", runs_dir=tmp_path, max_steps=0)
    resumed = charlm.resume("stopped", runs_dir=tmp_path, learning_rate=0.5, max_steps=11)
    assert resumed.directory.record.train["learning_rate"] == 0.5
    assert resumed.result["steps"] == 11


def damages() -> Iterator[Any]:
    for name in ("model.safetensors", "training.safetensors", "training.json"):
        for how in ("missing", "empty", "truncated", "foreign"):
            yield pytest.param(name, how, id=f"{name} {how}")


@pytest.mark.parametrize(("name", "how"), list(damages()))
def test_damage_to_the_training_state_is_one_sentence(
    name: str, how: str, stopped: charlm.Run, tmp_path: Path
) -> None:
    path = stopped.path / "last" / name
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_text('{"mode": "foreign", "counters": {"steps": 3}, "scaler": {}}')
    with pytest.raises(RunError) as caught:
        charlm.resume("stopped", runs_dir=tmp_path)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "scalars",
    [
        "[]",
        "3",
        "null",
        "{}",
        '{"counters": [], "scaler": {}}',
        '{"counters": {"step": "three"}, "scaler": {}}',
        '{"counters": {"step": null}, "scaler": {}}',
        '{"counters": {"step": -1, "epoch": 0, "window": 10000}, "scaler": {}}',
        '{"counters": {}, "scaler": 7}',
    ],
)
def test_counters_that_cannot_be_are_refused(
    scalars: str, stopped: charlm.Run, tmp_path: Path
) -> None:
    (stopped.path / "last" / "training.json").write_text(scalars)
    with pytest.raises(RunError):
        charlm.resume("stopped", runs_dir=tmp_path)


@pytest.mark.parametrize("name", ["totals", "recurrent/0", "random/cpu"])
def test_a_training_state_that_lacks_something_is_refused(
    name: str, stopped: charlm.Run, tmp_path: Path
) -> None:
    weights, tensors, scalars = stopped.directory.load_last()
    del tensors[name]
    stopped.directory.save_last(weights, tensors, scalars)
    with pytest.raises(RunError):
        charlm.resume("stopped", runs_dir=tmp_path)


def put_in(array: np.ndarray, number: float) -> np.ndarray:
    changed = array.copy()
    changed.flat[0] = number
    return changed


WRONG: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "NaN": partial(put_in, number=math.nan),
    "infinity": partial(put_in, number=math.inf),
    "whole numbers": lambda array: np.zeros(array.shape, np.int32),
    "one number": lambda array: array.reshape(-1)[:1],
    "a number": lambda array: array.reshape(-1)[0].reshape(()),
    "more": lambda array: np.concatenate([array, array]) if array.ndim else array.reshape(1),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_training_state_that_cannot_be_is_refused_tensor_by_tensor(
    how: str, book: Path, tmp_path: Path
) -> None:
    settings = {**TINY, "max_steps": 9, "ema_decay": 0.9, "average_after": 1, "eval_every": 1}
    settings |= {"optimizer": "adam", "learning_rate": 1e-9}
    run = charlm.train(
        book, run="a", runs_dir=tmp_path, should_stop=stops_after(8), **settings
    ).directory
    weights, tensors, scalars = run.load_last()
    assert {name.split("/")[0] for name in tensors} >= {"optimizer", "recurrent", "ema", "totals"}
    one_of_each = {name.rpartition("/")[0] or name[:4]: name for name in weights | tensors}
    for name in one_of_each.values():
        array = (weights | tensors)[name]
        changed = WRONG[how](array) if array.dtype.kind == "f" else np.ones(3, np.float32)
        if changed.shape == array.shape and changed.dtype == array.dtype and how == "a number":
            continue  # what counts steps is a number
        if how == "infinity" and "exp_avg_sq" in name:
            continue  # overflowed squares
        if not array.ndim and changed.shape == (1,):
            continue  # so the first runs kept a number
        there = [{**part, name: changed} if name in part else part for part in (weights, tensors)]
        run.save_last(*there, scalars)
        with pytest.raises(RunError) as caught:
            charlm.resume("a", runs_dir=tmp_path)
        assert "\n" not in caught.value.message, name
    run.save_last(weights, tensors, scalars)
    assert charlm.resume("a", runs_dir=tmp_path).result["steps"] == 9


def test_the_training_state_of_another_run_is_refused(
    stopped: charlm.Run, book: Path, tmp_path: Path
) -> None:
    settings = {**TINY, "hidden_size": 8, "max_steps": 9}
    other = charlm.train(
        book, run="other", runs_dir=tmp_path, should_stop=stops_after(5), **settings
    )
    weights, tensors, scalars = other.directory.load_last()
    stopped.directory.save_last(weights, tensors, scalars)
    with pytest.raises(RunError, match="not this model's"):
        charlm.resume("stopped", runs_dir=tmp_path)
    stopped.directory.save_last(stopped.directory.load_weights(), tensors, scalars)
    with pytest.raises(RunError, match="does not fit"):
        charlm.resume("stopped", runs_dir=tmp_path)


@pytest.mark.parametrize("best", [True, False], ids=["best is there", "nothing is there"])
def test_a_run_that_never_saved_its_state_begins_again(
    best: bool, book: Path, tmp_path: Path
) -> None:
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3, weight_drop=0.3, seed=7)
    killed = twins.train("twin", should_stop=stops_after(20))
    assert (killed.path / "best").exists()
    shutil.rmtree(killed.path / "last")
    if not best:
        shutil.rmtree(killed.path / "best")
    told: list[object] = []
    charlm.resume("twin", runs_dir=tmp_path, listener=told.append)
    assert any("begins again" in each.text for each in told if isinstance(each, Notice))
    twins.assert_same("twin")


def test_it_begins_again_from_the_run_that_it_started_from(book: Path, tmp_path: Path) -> None:
    parent = charlm.train(book, run="parent", runs_dir=tmp_path, **TINY, max_steps=5)
    twins = Twins(book, tmp_path, max_steps=6, eval_every=3, init_from=parent.path)
    killed = twins.train("twin", should_stop=stops_after(4))
    shutil.rmtree(killed.path / "last")
    charlm.resume("twin", runs_dir=tmp_path)
    twins.assert_same("twin")
    shutil.rmtree(tmp_path / "twin" / "last")
    charlm.resume("parent", runs_dir=tmp_path, max_steps=7)
    with pytest.raises(RunError, match="was trained further since"):
        charlm.resume("twin", runs_dir=tmp_path, max_steps=8)
    shutil.rmtree(parent.path)
    with pytest.raises(RunError, match="is not there any more"):
        charlm.resume("twin", runs_dir=tmp_path, max_steps=8)


def test_what_a_killed_process_left_in_a_run_is_gone_when_it_goes_on(
    stopped: charlm.Run, tmp_path: Path
) -> None:
    (stopped.path / "last").rename(stopped.path / ".last.old")
    (stopped.path / ".last.draft-12345678").mkdir()
    (stopped.path / ".run.json.draft-12345678").write_text("{")
    shutil.copytree(stopped.path / "best", stopped.path / ".best.old")
    charlm.resume("stopped", runs_dir=tmp_path)
    assert [path.name for path in stopped.path.rglob(".*")] == []


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CharlmError, match="no run called 'nowhere'"):
        charlm.resume("nowhere", runs_dir=tmp_path)


# Divergence on the disk


def test_a_run_that_diverged_keeps_its_last_good_state(book: Path, tmp_path: Path) -> None:
    events: list[object] = []
    settings = {**TINY, "optimizer": "sgd", "learning_rate": 1e30, "max_steps": 20}
    with pytest.raises(CharlmError, match="diverged"):
        charlm.train(book, run="a", runs_dir=tmp_path, listener=events.append, **settings)
    assert [event.reason for event in events if isinstance(event, Stopped)] == ["diverged"]
    run = charlm.load("a", runs_dir=tmp_path)
    assert run.directory.record.status == "diverged"
    for name, array in arrays_on_disk(run.path).items():
        if "model" in name:
            assert np.isfinite(array).all(), name
    assert np.isfinite(run.evaluate().score.nats)
    resumed = charlm.resume("a", runs_dir=tmp_path, learning_rate=1e-3)
    assert resumed.directory.record.status == "done"
    assert resumed.result["steps"] == 20
