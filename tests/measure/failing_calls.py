"""Failure of the n-th call: what becomes of a training in which one call, or all from one on, fail?

    python tests/measure/failing_calls.py [--every N]

Every opening, write, sync, folder made, renaming and removal below the folder of the runs fails in
turn with ENOSPC, EIO, EACCES or MemoryError, or finds that the run's folder is gone; and every
allocation of a checkpoint with MemoryError. A call that fails once must cost nothing once there is
a checkpoint: the training ends as if nothing had been. Where all calls fail from one on, it has
to end with one sentence and exit code 1, leave a run that loads or none, and, once there is room,
go on to the same end.
"""

import argparse
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import trainings
from cli_runner import Result, charlm

ERRORS = ("ENOSPC", "EIO", "EACCES", "MemoryError", "vanished")
BY_PATH = ("open", "mkdir", "rename", "replace", "unlink", "rmdir")
BY_HANDLE = ("write", "fsync", "ftruncate")
ALLOCATIONS = (
    "charlm.training.learner.copy_to_cpu",
    "charlm.training.state.Snapshot.arrays",
    "charlm.sessions.session.arrays_of",
    "charlm.runs.directory.safetensors_content",
    "charlm.files.strict_json.dumps",
)


@dataclass
class Outcome:
    """What came of it.

    Args:
        failed: cases, each with one call or all from one on failing.
        recovered: of these, trainings that nevertheless came to their end.
        refused: those that ended with a sentence.
        failures: sentences on what went wrong.
    """

    failed: int = 0
    recovered: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


class Fault:
    """Lets calls below a folder fail, from the n-th on.

    Args:
        call: n, from 1; 0 lets none fail, and only counts.
        error: one of ERRORS.
        lasting: whether those after it fail, too.
    """

    def __init__(self, folder: Path, call: int, error: str, lasting: bool) -> None:
        self.folder, self.call, self.error, self.lasting = folder, call, error, lasting
        self.count = 0
        self.handles = set[int]()

    @contextmanager
    def at_the_disk(self) -> Iterator[None]:
        """Within the block, calls of the system fail."""
        wrapped = {name: self.by_path(name, getattr(os, name)) for name in BY_PATH}
        wrapped |= {name: self.by_handle(getattr(os, name)) for name in BY_HANDLE}
        with patch.multiple(os, **wrapped):
            yield

    @contextmanager
    def in_memory(self) -> Iterator[None]:
        """Within the block, the allocations of a checkpoint fail."""
        from importlib import import_module

        with ExitStack() as stack:
            for target in ALLOCATIONS:
                owner_name, _, name = target.rpartition(".")
                try:
                    owner: Any = import_module(owner_name)
                except ImportError:
                    module, _, attribute = owner_name.rpartition(".")
                    owner = getattr(import_module(module), attribute)
                stack.enter_context(patch.object(owner, name, self.counted(getattr(owner, name))))
            yield

    def by_path(self, name: str, original: Any) -> Any:
        def call(path: Any, *given: Any, **more: Any) -> Any:
            inside = more.get("dir_fd") in self.handles or (
                isinstance(path, str | os.PathLike)
                and Path(os.path.abspath(path)).is_relative_to(self.folder)  # noqa: PTH100
            )
            if inside:
                self.strike()
            result = original(path, *given, **more)
            if inside and name == "open":
                self.handles.add(result)
            elif name == "open":
                self.handles.discard(result)
            return result

        return call

    def by_handle(self, original: Any) -> Any:
        def call(handle: int, *given: Any) -> Any:
            if handle in self.handles:
                self.strike()
            return original(handle, *given)

        return call

    def counted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            self.strike()
            return original(*given, **more)

        return call

    def strike(self) -> None:
        """Count a call, and fail if it is its turn."""
        self.count += 1
        due = self.count >= self.call if self.lasting else self.count == self.call
        if not self.call or not due:
            return
        if self.error == "MemoryError":
            raise MemoryError
        if self.error == "vanished":
            with patch.object(self, "call", 0):
                shutil.rmtree(self.folder / trainings.NAME, ignore_errors=True)
            return
        number = getattr(errno, self.error)
        raise OSError(number, os.strerror(number))


@contextmanager
def impatient(lasting: bool) -> Iterator[None]:
    """Within the block, what cannot be written is tried again at once, or not at all."""
    from charlm.sessions import saving

    patience = 0.0 if lasting else 60.0
    with patch.multiple(
        saving, PATIENCE=patience, HURRIED_PATIENCE=patience, FIRST_PAUSE=0.001, GLANCE=0.001
    ):
        yield


@dataclass
class Case:
    """A training that is to fail.

    Args:
        place: the folder of its runs.
        book: the text.
        whole: the same run, in which nothing failed.
        way: "at_the_disk" or "in_memory".
    """

    place: Path
    book: Path
    whole: Path
    way: str

    def train(self) -> Result:
        """Start it or go on with it."""
        more = ("--run", trainings.NAME, "--runs-dir", str(self.place), "--resume", "auto")
        return charlm("train", str(self.book), *trainings.options(), *more, "--quiet")

    def problem(self, result: Result, lasting: bool, vanished: bool) -> str:
        """What is wrong with how a training ended, and with what it left; "" if nothing is."""
        once = not lasting and not vanished and self.way == "at_the_disk"
        if once and result.code and (self.place / trainings.NAME / "last").exists():
            return f"a failure that passed has ended it: {result.err[-300:]}"
        said = [line for line in result.err.splitlines() if line.startswith("Error:")]
        if result.code not in (0, 1) or "Traceback" in result.err:
            return f"exit code {result.code}: {result.err[-300:]}"
        if result.code == 1 and len(said) != 1:
            return f"not one sentence: {result.err[-300:]}"
        if not vanished:
            for each in trainings.problems(self.place, self.whole):
                return each
        # A lock's file whose removal failed says only who that was; the next start removes it.
        left = [each for each in trainings.temporary(self.place) if not each.endswith(".lock")]
        if result.code == 0 and left and not vanished and not lasting:
            return f"left: {left}"
        again = self.train()
        if again.code != 0:
            return f"does not go on: {again.err[-300:]}"
        if trainings.digest(self.place / trainings.NAME) != trainings.digest(self.whole):
            return "it ends otherwise"
        if left := trainings.temporary(self.place):
            return f"left at the end: {left}"
        return ""


def measure(every: int = 1, errors: tuple[str, ...] = ERRORS) -> Outcome:
    """Try every so-maniest call."""
    from charlm.tasks.language_modeling import dataset

    outcome = Outcome()
    with (
        tempfile.TemporaryDirectory() as name,
        patch.object(dataset, "baselines", lambda *_: {}),
    ):
        place = Path(name).resolve()
        book = trainings.write_text(place)
        whole = place / "whole" / trainings.NAME
        for way in ("at_the_disk", "in_memory"):
            shutil.rmtree(whole.parent, ignore_errors=True)
            counting = Fault(whole.parent, 0, "", False)
            with getattr(counting, way)():
                Case(whole.parent, book, whole, way).train()
            for error in errors if way == "at_the_disk" else ("MemoryError",):
                for lasting in (False, True):
                    for call in range(1, counting.count + 1, every):
                        problem = tried(place, book, whole, way, (call, error, lasting), outcome)
                        if problem:
                            how = "from" if lasting else "at"
                            outcome.failures.append(f"{error} {how} {way} {call}: {problem}")
    return outcome


def tried(
    place: Path, book: Path, whole: Path, way: str, how: tuple[int, str, bool], outcome: Outcome
) -> str:
    """Let one training fail; what is wrong with that."""
    call, error, lasting = how
    case = Case(place / "failing", book, whole, way)
    fault = Fault(case.place, call, error, lasting)
    with getattr(fault, way)(), impatient(lasting or error == "vanished"):
        result = case.train()
    outcome.failed += 1
    outcome.recovered += result.code == 0
    outcome.refused += result.code == 1
    problem = case.problem(result, lasting, error == "vanished")
    shutil.rmtree(case.place, ignore_errors=True)
    return problem


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="try every N-th call")
    outcome = measure(parser.parse_args().every)
    print(json.dumps({**vars(outcome), "failures": outcome.failures[:20]}, indent=2))
    return int(bool(outcome.failures))


if __name__ == "__main__":
    sys.exit(main())
