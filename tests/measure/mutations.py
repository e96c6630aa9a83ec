"""Damage the files that a stranger may hand on, and use them: runs, settings, archives and others.

Each case changes one file, by its structure or byte by byte, and does what users do with it. What
counts is that the outcome is success or a CharlmError, a sentence, within bounded time and memory;
warnings are errors too.

Usage: python tests/measure/mutations.py [--cases 20000] [--seed 0] [--memory 3000] [--only CASE]
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from charlm.errors import CharlmError

sys.path.insert(0, str(Path(__file__).parent))
from damage import bytes_at_random, change_for, replace_on_disk
from strangers import Stranger, strangers

SECONDS = 10.0  # in which a case must end
LONGEST_SENTENCE = 1500  # characters of an error


@dataclass
class Figures:
    """What came of all cases.

    Attributes:
        outcomes: how many, by kind of stranger and outcome.
        bad: of outcomes that should not be, one example each.
        slowest: seconds of the slowest case, and which one it is.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """The figures in words."""
        totals: Counter[str] = Counter()
        for (_, outcome), number in self.outcomes.items():
            totals[outcome] += number
        cases = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(totals.items()))
        yield f"{sum(totals.values()):,} cases in {self.seconds:.0f} s: {cases}"
        yield f"slowest: {self.slowest[0]:.1f} s, {self.slowest[1]}"
        if peak := peak_megabytes():
            yield f"peak memory: {peak:,} MB"
        yield from (f"BAD {key}: {example}" for key, example in sorted(self.bad.items()))


class TookTooLongError(Exception):
    """A case that does not end."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TookTooLongError within the block after so many seconds, where there are timers.

    Seconds of computing, as others may compute too; of waiting, ten times as many.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TookTooLongError

    timers = (signal.ITIMER_PROF, signal.SIGPROF, 1), (signal.ITIMER_REAL, signal.SIGALRM, 10)
    before = [signal.signal(number, stop) for _, number, _ in timers]
    for timer, _, times in timers:
        # And again, as there is code that lets no error through.
        signal.setitimer(timer, times * seconds, 1.0)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def outcome_of(use: Callable[[], object], seconds: float) -> tuple[str, str]:
    """The outcome of a case, "ok", "refused" or "BAD", and of a bad one what it was."""
    try:
        with limited(seconds), warnings.catch_warnings():
            warnings.simplefilter("error")
            use()
    except CharlmError as error:
        if len(str(error)) > LONGEST_SENTENCE:
            return "BAD", f"a sentence of {len(str(error)):,} characters: {str(error)[:60]}"
        return "refused", ""
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "BAD", f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {error}"
    return "ok", ""


def run_case(rng: random.Random, stranger: Stranger, verbose: bool) -> tuple[str, str, str]:
    """One case: the outcome, what was wrong with a bad one, and which file was changed."""
    file = rng.choice(stranger.files())
    place, kind = stranger.folder / file, rng.random()
    original = place.read_bytes()
    try:
        if kind < 0.03 and stranger.on_disk:
            replace_on_disk(rng, place)
        else:
            change = change_for(place) if kind < 0.7 else bytes_at_random
            place.write_bytes(stranger.sealed(file, change(rng, original)))
        if verbose:
            print(file, place.read_bytes()[:5000] if place.is_file() else place.lstat())
            stranger.use(rng)
        return *outcome_of(lambda: stranger.use(rng), SECONDS), str(file)
    finally:
        restore(place, original)
        stranger.tidy()


def restore(place: Path, content: bytes) -> None:
    """Put a file back, whatever stands in its place."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif place.is_symlink() or place.exists():
        place.unlink()
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)


def measure(cases: Iterable[int], seed: int, folder: Path, verbose: bool = False) -> Figures:
    """Run the cases of these numbers, divided among the kinds of strangers.

    Args:
        folder: an empty one, which is written to.
        verbose: show what each case changes, and let its error through.
    """
    figures, everyone = Figures(), list(strangers(folder))
    weights = [each.weight for each in everyone]
    started = time.perf_counter()
    for number in cases:
        rng = random.Random(f"{seed} {number}")
        (stranger,) = rng.choices(everyone, weights)
        before = time.process_time()
        outcome, what, file = run_case(rng, stranger, verbose)
        took = time.process_time() - before
        figures.outcomes[stranger.name, outcome] += 1
        figures.slowest = max(figures.slowest, (took, f"case {number}, {stranger.name}/{file}"))
        if outcome == "BAD" and what[:160] not in figures.bad:
            print(f"case {number}: {what}", file=sys.stderr, flush=True)
            figures.bad.setdefault(what[:160], f"case {number}, {stranger.name}/{file}")
    figures.seconds = time.perf_counter() - started
    return figures


def peak_megabytes() -> int | None:
    """The most memory that this process had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (2**20 if sys.platform == "darwin" else 2**10))


def limit_memory(megabytes: int) -> None:
    """Let this process have no more memory than it has addresses for now, and so much besides."""
    try:
        import resource
    except ImportError:
        return
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        most = now + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Print the figures; exit with 1 if an outcome should not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=3000, help="MB besides what torch takes")
    parser.add_argument("--only", type=int, help="one case, whose traceback is shown if it is bad")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    limit_memory(given.memory)
    with tempfile.TemporaryDirectory() as folder:
        one = None if given.only is None else [given.only]
        figures = measure(one or range(given.cases), given.seed, Path(folder), verbose=bool(one))
    print("\n".join(figures.lines()))
    sys.exit(bool(figures.bad))


if __name__ == "__main__":
    main()
