"""The same run twice, one of them interrupted: they have to be equal on the disk."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import charlm
from charlm.rnn.weights import NOT_RECURRENT
from charlm.tasks.language_modeling import dataset
from charlm.training import trainer

TEXT = "the time traveller smiled round at us. then, still smiling faintly, he went. " * 4
TINY = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "precision": "fp32",
}
BY_THE_CLOCK = {"seconds", "evaluated_seconds", "characters_per_second", "created", "peak_memory"}


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine there would be more of them, each with its question whether to stop."""
    monkeypatch.setattr(trainer, "REPORT_SECONDS", math.inf)


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say nothing of training, and cost more than the tiny models here."""
    monkeypatch.setattr(dataset, "baselines", lambda *_: {})


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def stops_after(calls: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= calls


def without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_clock(v) for name, v in value.items() if name not in BY_THE_CLOCK}
    return [without_clock(each) for each in value] if isinstance(value, list) else value


def arrays_on_disk(run: Path) -> dict[str, np.ndarray]:
    return {
        f"{path.relative_to(run)}: {name}": array
        for path in sorted(run.rglob("*.safetensors"))
        for name, array in load_file(path).items()
    }


def assert_same_run(one: Path, other: Path) -> None:
    """The two folders hold the same, apart from the name and what depends on the clock."""
    assert sorted(path.relative_to(one) for path in one.rglob("*")) == sorted(
        path.relative_to(other) for path in other.rglob("*")
    )
    mine, theirs = arrays_on_disk(one), arrays_on_disk(other)
    assert mine.keys() == theirs.keys()
    assert any("recurrent/0" in name for name in mine)
    for name, array in mine.items():
        assert array.dtype == theirs[name].dtype, name
        assert array.shape == theirs[name].shape, name
        assert array.tobytes() == theirs[name].tobytes(), name
    for name in ("last/training.json", "run.json"):
        record, other_record = (
            without_clock(json.loads((run / name).read_text(encoding="utf-8")))
            for run in (one, other)
        )
        for each in (record, other_record):
            each.pop("name", None)
        assert record == other_record
    rows, other_rows = (
        [
            without_clock(json.loads(line))
            for line in (run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in (one, other)
    )
    assert rows == other_rows
    assert rows


class Twins:
    """The same run twice: one straight through, the other as the test wants it."""

    def __init__(self, source: Path, folder: Path, **settings: Any) -> None:
        self.source, self.folder = source, folder
        self.settings = {**TINY, **settings}
        if settings.get("cell") in NOT_RECURRENT:
            self.settings.pop("weight_drop", None)
        self.straight = charlm.train(source, run="straight", runs_dir=folder, **self.settings)

    def train(self, name: str, **how: Any) -> charlm.Run:
        return charlm.train(self.source, run=name, runs_dir=self.folder, **self.settings, **how)

    def interrupted_and_resumed(self, name: str, *calls: int, **how: Any) -> charlm.Run:
        """Stopped after so many questions, and again after so many more, then to the end."""
        first, *others = calls
        run = self.train(name, should_stop=stops_after(first), **how)
        for each in others:
            run = charlm.resume(name, runs_dir=self.folder, should_stop=stops_after(each))
        assert run.directory.record.status == "interrupted"
        return charlm.resume(name, runs_dir=self.folder)

    def assert_same(self, name: str) -> None:
        assert_same_run(self.straight.path, self.folder / name)
