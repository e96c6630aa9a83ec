"""The number of threads that compute on the CPU: whichever is fastest at the moment.

Threads that share a matrix product or a window wait for one another many times a millisecond. If
one of them shares its core with another program, all the others wait, and a single thread can be
twice as fast. Other programs come and go, so the number is chosen again and again, by measuring the
speed of the work itself.

Work is divided into as many parts as there could be threads, however many compute, so the results
of charlm's own code do not depend on the choice.

Torch is imported inside functions only, since writing on the CPU works without it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# They set the number of threads of torch and its libraries. A user's choice is respected.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

# A rate is measured over at least so many steps and seconds, after one step that does not count.
SEGMENT_STEPS, SEGMENT_SECONDS = 3, 0.1
GAIN = 1.05  # factor by which another number of threads must be faster
SLOWER = 0.85  # below this share of the usual rate, something has changed
FORGETTING = 0.98  # decay of the usual rate per measurement
# Seconds between trials: after a change, and at most while some threads are left out or none are.
SOON, LATE, RARE = 2.0, 10.0, 60.0
TRIAL_SHARE = 0.05  # trials take at most this share of the time

_reduced_from: int | None = None


def named_by_user() -> bool:
    """Whether the environment sets the number of threads."""
    return any(name in os.environ for name in VARIABLES)


def named_threads() -> int | None:
    """How many threads the environment names; None if it names none, or no number."""
    named = os.environ.get(VARIABLES[0], "").partition(",")[0].strip()
    return int(named) if named.isdecimal() and int(named) else None


def name_threads(threads: int | None) -> None:
    """Fix the number of threads, as if the user had set the variables; None changes nothing.

    Libraries read the variables when they are imported; torch, if it is already, is told directly.
    """
    if threads is None:
        return
    for variable in VARIABLES:
        os.environ[variable] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def cores() -> int:
    """The number of cores that this process may use, at most the threads that the user has set."""
    named = named_threads()
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        available = os.cpu_count() or 1
    return available if named is None else min(available, named)


def most_threads() -> int:
    """The most threads there can be, which is the number of parts that work is divided into."""
    import torch

    return _reduced_from or torch.get_num_threads()


class ThreadTuner:
    """Tries other numbers of threads now and then, and keeps the fastest.

    Args:
        most: the largest number of threads.
        apply: sets the number of threads.

    Attributes:
        chosen: the number that was fastest when last tried.
    """

    def __init__(self, most: int, apply: Callable[[int], None] = lambda threads: None) -> None:
        self.most = most
        self.apply = apply
        self.chosen = most
        self.trial: int | None = None  # the number being tried
        self.tried = most  # the number tried last
        self.skipped = 2  # steps not to measure: the first ones compile and fill caches
        self.items, self.seconds, self.steps = 0, 0.0, 0
        self.rate = self.usual_rate = 0.0  # of the chosen number, items a second
        self.since_trial = self.interval = 0.0  # seconds

    def record_step(self, items: int, seconds: float) -> None:
        """Count a step of so many items, and change the number of threads if that is due."""
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
        """Use a rate measured with the chosen number: begin a trial if one is due."""
        slower = rate < SLOWER * self.usual_rate
        self.rate = rate
        self.usual_rate = max(rate, FORGETTING * self.usual_rate)
        if self.since_trial >= (min(SOON, self.interval) if slower else self.interval):
            self.trial = self.tried = self._next_candidate()
            self._use(self.trial)

    def _after_trial(self, trial: int, rate: float, spent: float) -> None:
        """Use a rate measured in a trial that took `spent` seconds: keep its number, or go back."""
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
        """The next number to try, in the order: one thread, half of them, all but one, all."""
        sizes = sorted({1, max(1, self.most // 2), self.most - 1, self.most} - {self.chosen})
        return next((each for each in sizes if each > self.tried), sizes[0])


@contextmanager
def tuned_threads(device_type: str = "cpu") -> Iterator[ThreadTuner]:
    """Provide a tuner of torch's threads; afterwards all of them compute again.

    The tuner changes nothing off the CPU, within another tuner's block, or if the user has set the
    number of threads.
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
