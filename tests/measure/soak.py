"""Train and write for a long time, and look for what grows or slows down. On Linux.

    python tests/measure/soak.py --minutes 120 --characters 10000000

Trains with the usual settings, then writes with the model, in one process. Every few seconds it
notes resident memory, open files, threads, and characters, by the processor's time (which other
programs disturb less) and by the clock. Prints a line every half hour, and for training and writing
the slope of memory over the second half, the handles at both ends, and the rate of the last tenth
beside that of the first.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import charlm
from charlm.sessions.session import SessionEvent
from charlm.training.events import Evaluated

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """What a process uses at one moment.

    Args:
        seconds: by the clock, from any start.
        cpu_seconds: of all its threads.
        memory: resident, in bytes.
        handles: open files, pipes and sockets.
        characters: done so far.
    """

    seconds: float
    cpu_seconds: float
    memory: int
    handles: int
    threads: int
    characters: int


def take_sample(characters: int) -> Sample:
    """Look at this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    handles = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(
        time.monotonic(),
        time.process_time(),
        pages * PAGE,
        handles,
        threading.active_count(),
        characters,
    )


def rate(samples: Sequence[Sample], clock: Callable[[Sample], float]) -> float:
    """Characters a second of this clock."""
    first, last = samples[0], samples[-1]
    return (last.characters - first.characters) / (clock(last) - clock(first))


def memory_slope(samples: Sequence[Sample]) -> float:
    """The slope of the line of least squares through memory over time, in bytes an hour."""
    hours = [each.seconds / 3600 for each in samples]
    return float(np.polyfit(hours, [each.memory for each in samples], 1)[0])


def summary(name: str, samples: Sequence[Sample]) -> str:
    """What grew and what slowed down, as text."""
    tenth = max(2, len(samples) // 10)
    first, last = samples[:tenth], samples[-tenth:]
    half = samples[len(samples) // 2 :]
    lines = [f"{name}: {(samples[-1].seconds - samples[0].seconds) / 60:.1f} minutes"]
    lines += [
        f"  memory {min(each.memory for each in half) / 2**20:,.1f} to "
        f"{max(each.memory for each in half) / 2**20:,.1f} MiB in the second half, "
        f"{memory_slope(half) / 2**20:+.2f} MiB an hour",
        f"  handles {samples[0].handles} and {samples[-1].handles}, "
        f"threads {samples[0].threads} and {samples[-1].threads}",
    ]
    for unit, clock in {
        "CPU second": lambda each: each.cpu_seconds,
        "second": lambda each: each.seconds,
    }.items():
        before, after = rate(first, clock), rate(last, clock)
        lines.append(
            f"  characters a {unit}: {before:,.0f} in the first tenth, {after:,.0f} in the last "
            f"({after / before - 1:+.1%})"
        )
    return "\n".join(lines)


class Watch:
    """Samples of a process, one every few seconds, and now and then a line of them."""

    def __init__(self, every: float, report: float = 1800.0) -> None:
        self.every, self.report = every, report
        self.samples = [take_sample(0)]
        self.told = self.samples[0].seconds

    def note(self, characters: int) -> None:
        """Take a sample, if it is time for one."""
        now = time.monotonic()
        if now - self.samples[-1].seconds < self.every:
            return
        self.samples.append(take_sample(characters))
        if now - self.told >= self.report:
            self.told = now
            print(self.samples[-1], flush=True)


def soak_training(folder: Path, minutes: float, every: float) -> tuple[charlm.Run, list[Sample]]:
    """Train for so long with the usual settings."""
    watch = Watch(every)
    items = 0

    def listen(event: SessionEvent) -> None:
        nonlocal items
        if isinstance(event, Evaluated):
            items += event.items
            watch.note(items)

    # Evaluated often, so that there are as many checkpoints as in days of training.
    limit = time.monotonic() + 60 * minutes
    run = charlm.train(
        run="soak",
        runs_dir=folder,
        max_steps=10**7,
        eval_every=100,
        patience=None,
        schedule="constant",
        listener=listen,
        should_stop=lambda: time.monotonic() > limit,
    )
    return run, watch.samples


def soak_writing(run: charlm.Run, characters: int, every: float) -> list[Sample]:
    """Write so many characters, one text after the other, as `charlm generate` does."""
    watch = Watch(every)
    written = 0
    while written < characters:
        for piece in run.stream("time traveller ", length=100_000, seed=written):
            written += len(piece)
            watch.note(written)
    return watch.samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--characters", type=int, default=10_000_000)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--runs-dir", type=Path, help="keep the run here; else it is removed")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("It reads /proc, which only Linux has.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.runs_dir or Path(temporary)
        run, samples = soak_training(folder, given.minutes, given.every)
        print(summary("training", samples), flush=True)
        print(summary("writing", soak_writing(run, given.characters, given.every)), flush=True)


if __name__ == "__main__":
    main()
