"""Power loss, replayed: does a run survive a crash of the system at every moment of its training?

    python tests/measure/power_loss.py [--every N] [--steps N] [--without-folder-syncs]

A training with several checkpoints is recorded below Python's own functions: every write,
truncation, sync, renaming and removal. For every prefix of that record the folder is made anew as
it may be after a crash (`recorded_disk.after_a_crash`). Each must list and load, or hold no run;
and resumed, or trained anew, it must end as the training that nothing interrupted, with nothing
temporary left. Folders that are alike are tried once.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trainings
from recorded_disk import Recorder, Step, Tree, after_a_crash, hash_of, read_tree, write_tree


@dataclass
class Outcome:
    """What came of it.

    Args:
        steps: recorded.
        prefixes: tried.
        states: folders that a crash may leave, over all prefixes.
        distinct: of these, different ones, which were tried.
        no_run: of these, how many held no run yet.
        failures: sentences on what went wrong.
    """

    steps: int = 0
    prefixes: int = 0
    states: int = 0
    distinct: int = 0
    no_run: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def quick() -> Iterator[None]:
    """No baselines within the block: they say nothing of training, and take longer than it."""
    from charlm.tasks.language_modeling import dataset

    with patch.object(dataset, "baselines", lambda *_: {}):
        yield


def recorded(folder: Path, training: "Training") -> Recorder:
    """Train in a new folder, and the record of it."""
    import charlm

    folder.mkdir()
    recorder, runs = Recorder(folder), training.whole.parent
    with recorder.recording():
        charlm.train(str(training.book), run=trainings.NAME, runs_dir=runs, **training.settings)
    # The record is complete if from it comes what is there.
    assert recorder.state.tree() == read_tree(folder)
    return recorder


def crashes(steps: list[Step], every: int) -> Iterator[tuple[int, Tree]]:
    """Of every so-maniest prefix, and the last: its length, and what a crash may leave."""
    for length in range(len(steps) + 1):
        if length % every == 0 or length == len(steps):
            for tree in after_a_crash(steps[:length]):
                yield length, tree


@dataclass(frozen=True)
class Training:
    """What a crash must not change.

    Args:
        book: the text.
        whole: the run that nothing interrupted.
        settings: of the training.
    """

    book: Path
    whole: Path
    settings: dict[str, Any]


def survives(tree: Tree, folder: Path, training: Training) -> str:
    """What is wrong with a folder after a crash; "" if nothing is, "no run" if it holds none."""
    import charlm
    from charlm.errors import CharlmError

    runs = folder / "runs"
    write_tree(tree, folder)
    try:
        for problem in trainings.problems(runs, training.whole):
            return problem
        there = (runs / trainings.NAME).exists()
        charlm.train_or_resume(
            str(training.book), run=trainings.NAME, runs_dir=runs, **training.settings
        )
        if trainings.digest(runs / trainings.NAME) != trainings.digest(training.whole):
            return "it ends otherwise"
        if left := trainings.temporary(runs):
            return f"left: {left}"
        return "" if there else "no run"
    except (CharlmError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(every: int = 1, **settings: Any) -> Outcome:
    """Try it."""
    outcome, seen = Outcome(), set[str]()
    with tempfile.TemporaryDirectory() as name, quick():
        place = Path(name)
        book = trainings.write_text(place)
        training = Training(
            book,
            place / "recorded" / "runs" / trainings.NAME,
            {**trainings.SETTINGS, **settings},
        )
        recorder = recorded(place / "recorded", training)
        outcome.steps = len(recorder.steps)
        lengths = set[int]()
        for length, tree in crashes(recorder.steps, every):
            lengths.add(length)
            outcome.states += 1
            if (key := hash_of(tree)) in seen:
                continue
            seen.add(key)
            problem = survives(tree, place / "crashed", training)
            if problem == "no run":
                outcome.no_run += 1
            elif problem:
                outcome.failures.append(f"after step {length} of {outcome.steps}: {problem}")
        outcome.prefixes, outcome.distinct = len(lengths), len(seen)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="try every N-th prefix")
    parser.add_argument("--steps", type=int, default=9, help="of the training; 3 a checkpoint")
    parser.add_argument(
        "--without-folder-syncs", action="store_true", help="show that they are needed"
    )
    given = parser.parse_args()
    if given.without_folder_syncs:
        with patch("charlm.files.disk.sync_folder", lambda path: None):
            outcome = measure(given.every, max_steps=given.steps)
    else:
        outcome = measure(given.every, max_steps=given.steps)
    print(json.dumps({**vars(outcome), "failures": outcome.failures[:20]}, indent=2))
    return int(bool(outcome.failures))


if __name__ == "__main__":
    sys.exit(main())
