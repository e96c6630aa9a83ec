"""A run that cannot be written for a while: nothing is lost, and nobody waits for ever."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from twins import TINY, Twins, stops_after
from twins import book as book
from twins import no_baselines as no_baselines
from twins import no_reports as no_reports

import charlm
from charlm.errors import RunError
from charlm.files.whole import WritingError
from charlm.runs.directory import RunDirectory
from charlm.sessions import saving
from charlm.sessions.saving import Saver
from charlm.sessions.session import Notice


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Disk:
    """Stands for a run; while it is full, nothing can be written."""

    name, resume_command = "k", "charlm train --resume k"

    def __init__(self, path: Path) -> None:
        self.path, self.full, self.tries = path, False, list[float]()
        self.best: Any = None
        self.rows: list[Any] = []
        self.last: list[int] = []

    def check(self) -> None:
        if self.full:
            raise WritingError(f"Cannot write to '{self.path}': no space left on device.")

    def save_best(self, weights: Any) -> None:
        self.check()
        self.best = {name: each.copy() for name, each in weights.items()}

    def append_metrics(self, row: Any) -> None:
        self.check()
        self.rows.append(row)

    def save_last(self, weights: Any, tensors: Any, scalars: Any) -> None:
        self.check()
        self.last.append(scalars)


class Snapshots:
    """Stands for a trainer, and for its snapshot."""

    step = 0

    def capture(self) -> "Snapshots":
        return self

    @property
    def counters(self) -> "Snapshots":
        return self

    def arrays(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    def scalars(self) -> int:
        return self.step


class Bench:
    """A saver with its disk, its clock and what it says."""

    def __init__(self, path: Path) -> None:
        self.disk, self.trainer, self.clock = Disk(path), Snapshots(), Clock()
        self.told: list[str] = []
        self.stop = lambda: False
        self.saver = Saver(
            self.disk,  # type: ignore[arg-type]
            self.trainer,  # type: ignore[arg-type]
            self.told.append,
            None,
            lambda: self.stop(),
            self.clock,
            self.clock.sleep,
        )

    def evaluate(self, step: int, best: np.ndarray | None = None) -> None:
        self.trainer.step = step
        self.saver.keep({"step": step}, None if best is None else {"w": best})
        self.saver.save()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_could_not_be_written_is_written_once_there_is_room(bench: Bench) -> None:
    weights = np.zeros(3)
    bench.disk.full = True
    bench.evaluate(1, weights)
    weights += 1  # Training goes on with them.
    bench.evaluate(2)
    assert bench.disk.rows == []
    assert len(bench.told) == 1
    assert bench.told[0].endswith("Training goes on; it is tried again for 10 minutes.")
    bench.disk.full = False
    bench.saver.save_if_due()  # Not yet.
    assert bench.disk.rows == []
    bench.clock.now += 5
    bench.trainer.step = 3
    bench.saver.save_if_due()
    assert [row["step"] for row in bench.disk.rows] == [1, 2]
    assert bench.disk.best["w"].tolist() == [0, 0, 0]
    assert bench.disk.last == [3]
    assert bench.told[1:] == ["The run 'k' is saved again."]
    bench.clock.now += 1000
    bench.saver.save_if_due()
    assert bench.disk.last == [3]


def test_the_pauses_grow_and_after_ten_minutes_it_is_an_error(bench: Bench) -> None:
    bench.evaluate(7)
    bench.disk.full = True
    tries = [0.0]
    check = bench.disk.check

    def counted() -> None:
        tries.append(bench.clock.now)
        check()

    bench.disk.check = counted  # type: ignore[method-assign]
    bench.saver.save()
    with pytest.raises(RunError, match="no space left") as caught:
        while bench.clock.now < 2000:
            bench.clock.now += 0.5
            bench.saver.save_if_due()
    pauses = np.diff(tries[1:])
    assert pauses[:6].tolist() == [1, 2, 4, 8, 16, 32]
    assert pauses.max() == saving.LONGEST_PAUSE
    assert saving.PATIENCE <= bench.clock.now <= saving.PATIENCE + saving.LONGEST_PAUSE
    assert "The state of step 7 is kept there." in caught.value.hint
    assert "charlm train --resume k" in caught.value.hint
    assert len(bench.told) == 1


def test_at_the_end_it_waits_for_a_time_that_has_an_end(bench: Bench) -> None:
    bench.disk.full = True
    with pytest.raises(RunError, match="no space left"):
        bench.saver.save_at_last(hurried=False)
    assert saving.PATIENCE <= bench.clock.now < saving.PATIENCE + 1
    bench.clock.now = 0
    with pytest.raises(RunError, match="no space left"):
        bench.saver.save_at_last(hurried=True)
    assert saving.HURRIED_PATIENCE <= bench.clock.now < saving.HURRIED_PATIENCE + 1
    bench.clock.now = 0
    with pytest.raises(RunError, match="no space left"):
        bench.stop = lambda: bench.clock.now > 5  # Ctrl-C meanwhile
        bench.saver.save_at_last(hurried=False)
    assert bench.clock.now < 6
    bench.clock.now = 0
    bench.saver.clock = lambda: setattr(bench.disk, "full", bench.clock.now < 9) or bench.clock.now
    bench.stop = lambda: False
    bench.saver.save_at_last(hurried=False)
    assert bench.disk.last == [0]


def test_a_lack_of_memory_is_tried_again_and_other_errors_are_not(bench: Bench) -> None:
    def lacking() -> None:
        raise MemoryError

    def broken() -> None:
        raise ValueError("a mistake")

    bench.disk.check = lacking  # type: ignore[method-assign]
    bench.evaluate(1)
    assert bench.told[0].startswith("There is not enough memory to save the run 'k'.")
    bench.disk.check = broken  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="a mistake"):
        bench.evaluate(2)


def test_a_folder_that_is_gone_is_said_to_be_gone(bench: Bench) -> None:
    bench.disk.full, bench.disk.path = True, bench.disk.path / "gone"
    with pytest.raises(RunError) as caught:
        bench.saver.save_at_last(hurried=False)
    assert caught.value.hint.startswith("The folder is gone, and the run with it.")


@pytest.mark.parametrize("method", ["save_best", "append_metrics", "save_last", "update"])
def test_a_training_whose_disk_was_full_for_a_while_ends_the_same(
    method: str, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(saving, "GLANCE", 0.0)
    twins = Twins(book, tmp_path, max_steps=12, eval_every=2, weight_drop=0.3)
    original, calls = getattr(RunDirectory, method), iter(range(1000))

    def full(self: RunDirectory, *given: Any, **changes: Any) -> None:
        if next(calls) % 4 in (1, 2) and changes.get("status") != "running":
            raise WritingError("Cannot write: no space left on device.")
        original(self, *given, **changes)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, method, full)
        told: list[object] = []
        twins.train("twin", listener=told.append)
    twins.assert_same("twin")
    assert any("tried again" in each.text for each in told if isinstance(each, Notice))


def test_what_ends_with_an_error_goes_on_from_what_is_kept(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = Twins(book, tmp_path, max_steps=9, eval_every=3)

    def full(*_: Any, **__: Any) -> None:
        raise WritingError("Cannot write: no space left on device.")

    for name in ("PATIENCE", "HURRIED_PATIENCE"):
        monkeypatch.setattr(saving, name, 0.0)
    with monkeypatch.context() as patch, pytest.raises(RunError) as caught:
        patch.setattr(RunDirectory, "save_last", full)
        twins.train("twin")
    assert "No state is kept there." in caught.value.hint
    run = charlm.load("twin", runs_dir=tmp_path)
    assert run.directory.record.status == "failed"
    assert (run.path / "best").exists()
    charlm.resume("twin", runs_dir=tmp_path)
    twins.assert_same("twin")


def test_a_row_is_not_there_before_it_is_on_the_disk(book: Path, tmp_path: Path) -> None:
    run = charlm.train(
        book, run="a", runs_dir=tmp_path, should_stop=stops_after(5), **TINY, max_steps=9
    )
    before = run.directory.record.status
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError):
        patch.setattr("charlm.runs.directory.write", lambda *_: (_ for _ in ()).throw(OSError(28)))
        run.directory.update(status="done")
    assert run.directory.record.status == before
