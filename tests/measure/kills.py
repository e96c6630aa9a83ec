"""Killed at any moment: does a training that is killed and resumed end as if it had not been?

    python tests/measure/kills.py [--kills N] [--seed N] [--fresh]

Trainings are killed by SIGKILL, half of them after a random time, half of them in the midst of
saving: before or after a random write, sync, renaming or removal, or with a write half done. After
each, `charlm runs list` has to work, best and last weights to load, and the metrics to hold whole
rows only; whatever the killed process left has to be gone once the next one has come further; and
each training has to end, bit for bit, as one that nothing interrupted. Trainings follow one another
until there were so many kills.

Processes are forked from one that has imported everything; `--fresh` starts each anew, which takes
longer and is killed while it imports, too.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trainings

CALLS = ("write", "fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "ftruncate")
STEPS, EVERY = 240, 6
MOST_CALLS = 150  # after which a process is killed at the latest: some five checkpoints


@dataclass
class Outcome:
    """What came of it.

    Args:
        kills: how many processes were killed.
        while_saving: of these, in the midst of saving.
        trainings: how many came to their end.
        torn_rows: kills that left a row of metrics half written, which nobody reads.
        begun_again: kills before anything was saved.
        failures: sentences on what went wrong.
    """

    kills: int = 0
    while_saving: int = 0
    trainings: int = 0
    torn_rows: int = 0
    begun_again: int = 0
    failures: list[str] = field(default_factory=list)


class Doom:
    """Kills this process at its n-th change of the disk.

    Args:
        call: n; 0 for never.
        how: "before" it, "after" it, or "half" through, if it is a write.
    """

    def __init__(self, call: int, how: str) -> None:
        self.left, self.how = call, how

    def arm(self) -> None:
        """Watch the functions of `os` from now on."""
        for name in CALLS if self.left else ():
            setattr(os, name, self.watching(name, getattr(os, name)))

    def watching(self, name: str, original: Any) -> Any:
        def call(*given: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                if self.how == "after":
                    original(*given, **more)
                elif self.how == "half" and name == "write":
                    original(given[0], given[1][: len(given[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*given, **more)

        return call


def run_to_death(arguments: list[str], call: int, how: str, fresh: bool, log: Path) -> int:
    """Start a process that runs charlm, and that may kill itself.

    Returns:
        Its process id.
    """
    if fresh:
        command = [sys.executable, __file__, "--child", str(call), how, *arguments]
        with log.open("ab") as file:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file).pid
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        become_charlm(call, how, arguments)
    return child


def become_charlm(call: int, how: str, arguments: list[str]) -> None:
    """Run a command of charlm, and end with its exit code."""
    from charlm.cli import main

    Doom(call, how).arm()
    code = 1
    try:
        main(arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        os._exit(code)


class Victim:
    """A training that is killed again and again, until it ends.

    Args:
        place: a folder of its own.
        whole: the same run, which nothing interrupted.
    """

    def __init__(self, place: Path, book: Path, whole: Path, outcome: Outcome, fresh: bool) -> None:
        place.mkdir()
        self.runs, self.whole, self.outcome, self.fresh = place / "runs", whole, outcome, fresh
        self.log = place / "log"
        self.path = self.runs / trainings.NAME
        self.command = train_command(book, self.runs)

    def kill_once(self, chance: random.Random) -> bool:
        """Start it or go on with it, and kill it; whether it came to its end before."""
        left, before = trainings.temporary(self.runs), self.progress()
        saving = chance.random() < 0.5
        call = chance.randint(1, MOST_CALLS) if saving else 0
        how = chance.choice(("before", "after", "half"))
        child = run_to_death(self.command, call, how, self.fresh, self.log)
        if not saving:
            time.sleep(chance.uniform(0.0, 3.0) + 2.0 * self.fresh)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if self.progress() > before:
            still = set(left) & set(trainings.temporary(self.runs)) - {f".{trainings.NAME}.lock"}
            self.check(not still, f"left by an earlier process: {still}")
        if os.WIFSIGNALED(status):
            self.outcome.kills += 1
            self.outcome.while_saving += saving
            self.look()
            return False
        self.check(status == 0, f"exit status {status}: {self.log.read_text()[-300:]}")
        return True

    def progress(self) -> tuple[bool, int, int]:
        """How far the run on disk has come, so far as files tell."""
        try:
            counters = json.loads((self.path / "last" / "training.json").read_text())["counters"]
            return True, counters["step"], 0
        except (OSError, ValueError):
            return self.path.exists(), 0, 0

    def look(self) -> None:
        """Check what a kill has left."""
        listed = subprocess.run(
            [sys.executable, "-m", "charlm", "runs", "list", "--json"],
            env={**os.environ, "CHARLM_RUNS_DIR": str(self.runs)},
            capture_output=True,
            text=True,
        )
        self.check(listed.returncode == 0, f"runs list: {listed.stderr[-300:]}")
        for each in json.loads(listed.stdout or "[]"):
            # It may be killed after its end, too.
            well = each["status"] in ("stopped", "done")
            self.check(well, f"listed as {each['status']}")
        for problem in trainings.problems(self.runs, self.whole):
            self.check(False, problem)
        if self.path.exists():
            *lines, rest = (self.path / "metrics.jsonl").read_bytes().split(b"\n")
            self.outcome.torn_rows += bool(rest)
            self.check(all(json.loads(line) for line in lines), "a row is broken")
            last = (self.path / "last", self.path / ".last.old")
            self.outcome.begun_again += not any(each.exists() for each in last)

    def finish(self) -> None:
        """Check how it ended."""
        self.outcome.trainings += 1
        same = trainings.digest(self.path) == trainings.digest(self.whole)
        self.check(same, "it ends otherwise")
        left = trainings.temporary(self.runs)
        self.check(not left, f"left at the end: {left}")

    def check(self, well: bool, problem: str) -> None:
        if not well:
            self.outcome.failures.append(problem)


def train_command(book: Path, runs: Path) -> list[str]:
    """The command that starts the training or goes on with it."""
    more = ("--run", trainings.NAME, "--runs-dir", str(runs), "--resume", "auto", "--quiet")
    steps = trainings.options(max_steps=STEPS, eval_every=EVERY)
    return ["train", str(book), *steps, "--threads", "1", *more]


def measure(kills: int, seed: int = 0, fresh: bool = False) -> Outcome:
    """Kill so many."""
    import charlm.tasks.language_modeling.task
    import charlm.training.trainer  # noqa: F401 (imported before there are children)

    outcome, chance = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        book = trainings.write_text(place)
        whole = place / "whole"
        child = run_to_death(train_command(book, whole), 0, "", fresh, place / "log")
        if os.waitpid(child, 0)[1]:
            raise SystemExit((place / "log").read_text())
        while outcome.kills < kills and len(outcome.failures) < 10:
            folder = place / f"killed-{outcome.trainings}"
            victim = Victim(folder, book, whole / trainings.NAME, outcome, fresh)
            ended = False
            while not ended and outcome.kills < kills:
                ended = victim.kill_once(chance)
            if not ended:
                os.waitpid(run_to_death(victim.command, 0, "", fresh, victim.log), 0)
            victim.finish()
    return outcome


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        become_charlm(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="a new process each time")
    given = parser.parse_args()
    outcome = measure(given.kills, given.seed, given.fresh)
    print(json.dumps({**vars(outcome), "failures": outcome.failures[:20]}, indent=2))
    return int(bool(outcome.failures))


if __name__ == "__main__":
    sys.exit(main())
