"""Where NaN or infinity gets into a training, it is noticed, undone or the end, never kept."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_runner import charlm as command_line
from needs import needs_compiled_code
from safetensors.numpy import load_file, save_file

import charlm
from charlm.errors import TrainingError
from charlm.training.learner import Learner

TEXT = "It was the best of times, it was the worst of times.\n" * 30
TASKS: dict[str, dict[str, Any]] = {
    "language-model": {"seq_length": 8},
    "classification": {"test_fraction": 0.2},
    "regression": {"test_fraction": 0.2},
}
SMALL: dict[str, Any] = {"hidden_size": 8, "batch_size": 8, "ema_decay": 0.9, "max_steps": 12}
SMALL |= {"eval_every": 4, "clip_norm": 1.0, "device": "cpu"}
AT = 6  # calls of a step before something breaks


def source(task: str, folder: Path) -> str:
    """A small file of data for a task."""
    rows = [f"{'good' if i % 3 else 'bad'} text {i},{'yes' if i % 3 else 'no'}" for i in range(60)]
    numbers = [f"{i},{i * i % 7},{i % 7 + i / 10}" for i in range(60)]
    content = {
        "language-model": TEXT,
        "classification": "\n".join(["text,label", *rows]),
        "regression": "\n".join(["a,b,y", *numbers]),
    }[task]
    path = folder / ("data.txt" if task == "language-model" else "data.csv")
    path.write_text(content)
    return str(path)


def poison(place: str, number: float, lasting: bool, patch: pytest.MonkeyPatch) -> list[int]:
    """Put a number into what a step leaves, at step AT; with `lasting` at all from there on.

    Returns:
        The numbers of the steps, appended as they are poisoned.
    """
    step, calls, done = Learner.step, [0], list[int]()

    def is_due() -> bool:
        return calls[0] == AT or (lasting and calls[0] > AT)

    def poisoned(self: Learner, window: int, rate: float) -> int:
        calls[0] += 1
        hooks = []
        if is_due():
            done.append(calls[0])
            if place == "gradient":
                first = self.weights[0]
                hooks = [first.register_hook(lambda grad: torch.full_like(grad, number))]
            if place == "loss":
                compute = self.loss
                self.loss = lambda *args: spoilt(compute(*args))
        items = step(self, window, rate)
        for hook in hooks:
            hook.remove()
        if is_due() and place == "loss":
            self.loss = self.world.averaged(self.task.model, self.task.loss)
        if is_due() and place in ("weights", "optimizer", "ema", "recurrent"):
            tensors = dict(self.changing())
            named = {
                "weights": [each for each in tensors if "/" not in each],
                "optimizer": [each for each in tensors if each.startswith("optimizer/exp_avg/")],
            }.get(place) or [each for each in tensors if each.startswith(f"{place}/")]
            with torch.no_grad():
                tensors[named[-1]].view(-1)[0] = number
        return items

    def spoilt(result: Any) -> Any:
        return result._replace(loss=result.loss * number)

    patch.setattr(Learner, "step", poisoned)
    return done


def train(task: str, folder: Path, **settings: Any) -> Path:
    """Train; the folder of the run, whether it ended well or diverged."""
    given = {**SMALL, **TASKS[task], **settings}
    try:
        charlm.train(source(task, folder), task=task, run="r", runs_dir=folder, **given)
    except TrainingError as error:
        assert "diverged" in str(error)
    return folder / "r"


def assert_nothing_is_kept(run: Path) -> dict[str, Any]:
    """All weights and numbers on disk are finite; returns the record."""
    for part in ("best", "last"):
        for path in (run / part).glob("*.safetensors"):
            for name, each in load_file(path).items():
                kept = each if "totals" not in name else each[:-1]  # no epoch has ended yet
                assert np.isfinite(kept).all(), f"{path} {name}"
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert all(math.isfinite(v) for v in row.values() if isinstance(v, float))
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


PLACES = ["weights", "gradient", "optimizer", "ema", "recurrent", "loss"]
ARITHMETIC = [("scratch", "fp32"), ("builtin", "fp32"), ("fused", "fp32")]
ARITHMETIC += [("builtin", "bf16"), ("builtin", "fp16")]
CASES = [
    pytest.param(*case, marks=[] if case[2] == "scratch" else pytest.mark.slow)
    for case in ((task, place, *how) for task in TASKS for place in PLACES for how in ARITHMETIC)
    if case[1] != "recurrent" or case[0] == "language-model"
]


@pytest.mark.parametrize("number", [math.nan, math.inf], ids=str)
@pytest.mark.parametrize(("task", "place", "backend", "precision"), CASES)
def test_what_breaks_once_is_undone(
    task: str,
    place: str,
    backend: str,
    precision: str,
    number: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if backend == "fused":
        needs_compiled_code()
    done = poison(place, number, False, monkeypatch)
    record = assert_nothing_is_kept(train(task, tmp_path, backend=backend, precision=precision))
    assert done == [AT]
    assert record["status"] == "done"
    assert math.isfinite(record["result"]["seconds"])


@pytest.mark.parametrize("val_fraction", [0.1, 0.0])
@pytest.mark.parametrize("place", PLACES)
def test_what_stays_broken_ends_the_run_as_diverged(
    place: str, val_fraction: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(place, math.nan, True, monkeypatch)
    record = assert_nothing_is_kept(
        train("language-model", tmp_path, val_fraction=val_fraction, backend="scratch")
    )
    assert record["status"] == "diverged"


@pytest.mark.slow
def test_gradients_that_are_never_finite_end_a_scaled_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss scaling leaves out such a step, so that nothing else would tell."""
    poison("gradient", math.inf, True, monkeypatch)
    run = train("language-model", tmp_path, precision="fp16", max_steps=400, eval_every=60)
    assert assert_nothing_is_kept(run)["status"] == "diverged"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_rate_of_a_thousand_leaves_a_run_that_can_be_read(
    task: str, optimizer: str, tmp_path: Path
) -> None:
    settings = {"optimizer": optimizer, "learning_rate": 1e3, "clip_norm": 0.0}
    record = assert_nothing_is_kept(train(task, tmp_path, schedule="constant", **settings))
    assert record["status"] in ("done", "diverged")


def test_a_score_that_is_not_finite_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, calls = Learner.scores, [0]

    def poisoned(self: Learner, should_stop: Callable[[], bool]) -> Any:
        found = scores(self, should_stop)
        calls[0] += 1
        if calls[0] == 2 and found:
            broken = next(iter(found.values()))
            name = next(each.name for each in fields(broken) if each.name == "nats")
            found[next(iter(found))] = replace(broken, **{name: math.nan})
        return found

    monkeypatch.setattr(Learner, "scores", poisoned)
    assert assert_nothing_is_kept(train("language-model", tmp_path))["status"] == "done"
    assert calls[0] > 3


# A run that holds such weights all the same, as one from elsewhere may

COMMANDS = (
    "eval --run {}",
    "eval --run {} --json",
    "generate --run {} --length 5",
    "generate --run {} --length 5 --temperature 0",
    "generate --run {} --length 5 --beams 2",
    "inspect surprise --run {}",
    "inspect memory --run {}",
    "report {} --out page.html",
    "runs show {}",
    "runs compare {} {}",
    "plot {}",
    "train data.txt --init-from {} --max-steps 2",
)


@pytest.mark.parametrize("number", [math.nan, math.inf], ids=str)
def test_weights_that_are_not_finite_give_no_results(
    number: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odd_texts import NO_RESULT

    monkeypatch.chdir(tmp_path)
    run = train("language-model", tmp_path)
    path = run / "best" / "model.safetensors"
    weights = load_file(path)
    next(iter(weights.values())).flat[0] = number
    weights["output.bias"][:] = number
    save_file(weights, path)
    for command in COMMANDS:
        result = command_line(*command.format(run, run).split())
        assert result.code in (0, 1, 2), (command, result.err)
        assert not NO_RESULT.search(result.out), (command, result.out)
