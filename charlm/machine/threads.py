"""How many threads compute on the CPU: as many as are fastest at the moment.

The threads of a product, or of a window, wait for one another many times a millisecond. Where one
of them has to share its core with another program, all the others wait, and a single thread, which
waits for nobody, can be twice as fast. A neighbour comes and goes, so the choice is made again and
again, by the speed of the work itself.

Work is divided into as many parts as there could be threads, however many of them compute: what
charlm's own code computes does not depend on the choice.

Torch is imported where it is asked: writing on the CPU does without it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# They name the number of threads for torch and its libraries, and are never overridden.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

# A rate is measured over at least so many steps and seconds, after one step that is not counted.
SEGMENT_STEPS, SEGMENT_SECONDS = 3, 0.1
GAIN = 1.05  # that another number of threads has to bring
SLOWER = 0.85  # of the usual rate: something has happened
FORGETTING = 0.98  # of the usual rate, with each segment
# Seconds between two trials: after a change, of more threads, of fewer where nothing has happened.
SOON, LATE, RARE = 2.0, 10.0, 60.0
TRIAL_SHARE = 0.05  # of all time, at most, goes into trials

_reduced_from: int | None = None


def named_by_user() -> bool:
    """Whether the environment says how many threads are to compute."""
    return any(name in os.environ for name in VARIABLES)


def name_threads(threads: int | None) -> None:
    """Let this many threads compute and no other number, as the variables do; None changes nothing.

    Libraries read the variables when they are imported.
    """
    if threads is None:
        return
    for variable in VARIABLES:
        os.environ[variable] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def cores() -> int:
    """Those that this process may use, but no more than the user named threads."""
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        available = os.cpu_count() or 1
    return min(available, int(named)) if named.isdigit() and int(named) else available


def most_threads() -> int:
    """How many threads there can be: into how many parts work is divided."""
    import torch

    return _reduced_from or torch.get_num_threads()


class ThreadTuner:
    """Tries other numbers of threads now and then, and stays with the fastest.

    Args:
        most: threads that there can be.
        apply: lets so many compute from now on.

    Attributes:
        chosen: how many were the fastest when last tried.
    """

    def __init__(self, most: int, apply: Callable[[int], None] = lambda threads: None) -> None:
        self.most = most
        self.apply = apply
        self.chosen = most
        self.trial: int | None = None  # what is being tried
        self.tried = most  # what was tried last
        self.skipped = 2  # steps to leave out: the first ones compile, and fill caches
        self.items, self.seconds, self.steps = 0, 0.0, 0
        self.rate = self.usual_rate = 0.0  # of the chosen number, items a second
        self.since_trial = self.interval = 0.0  # seconds

    def record_step(self, items: int, seconds: float) -> None:
        """Take note of a step, and let another number of threads do the next one if that is due."""
        if self.most == 1:
            return
        self.since_trial += seconds
        if self.skipped:
            self.skipped -= 1
            return
        self.items += items
        self.seconds += seconds
        self.steps += 1
        if self.steps < SEGMENT_STEPS or self.seconds < SEGMENT_SECONDS:
            return
        rate, spent = self.items / self.seconds, self.seconds
        self.items, self.seconds, self.steps = 0, 0.0, 0
        if self.trial is None:
            self._after_chosen(rate)
        else:
            self._after_trial(self.trial, rate, spent)

    def _after_chosen(self, rate: float) -> None:
        """The chosen number had this rate: begin a trial if one is due."""
        slower = rate < SLOWER * self.usual_rate
        self.rate = rate
        self.usual_rate = max(rate, FORGETTING * self.usual_rate)
        if self.since_trial >= (min(SOON, self.interval) if slower else self.interval):
            self.trial = self.tried = self._next_candidate()
            self._use(self.trial)

    def _after_trial(self, trial: int, rate: float, spent: float) -> None:
        """What is being tried had this rate: stay with it, or go back."""
        if rate > GAIN * self.rate:
            self.chosen, self.usual_rate, self.interval = trial, rate, SOON
        else:
            self._use(self.chosen)
            longest = RARE if self.chosen == self.most else LATE
            self.interval = min(max(2 * self.interval, SOON), longest)
        self.interval = max(self.interval, spent / TRIAL_SHARE)
        self.trial, self.since_trial = None, 0.0

    def _use(self, threads: int) -> None:
        self.apply(threads)
        self.skipped = 1

    def _next_candidate(self) -> int:
        """One thread, half of them, all but one, all: the one after what was tried last."""
        sizes = sorted({1, max(1, self.most // 2), self.most - 1, self.most} - {self.chosen})
        return next((each for each in sizes if each > self.tried), sizes[0])


@contextmanager
def tuned_threads(device_type: str = "cpu") -> Iterator[ThreadTuner]:
    """A tuner of torch's threads, of which all compute again afterwards.

    It tunes nothing off the CPU, inside of another one's block, and where the user has named a
    number.
    """
    import torch

    global _reduced_from
    if device_type != "cpu" or _reduced_from is not None or named_by_user():
        yield ThreadTuner(1)
        return
    _reduced_from = torch.get_num_threads()
    try:
        yield ThreadTuner(_reduced_from, torch.set_num_threads)
    finally:
        torch.set_num_threads(_reduced_from)
        _reduced_from = None
