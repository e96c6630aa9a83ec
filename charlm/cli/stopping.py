"""Signals: they end a command at once, and training once the run is saved."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from charlm.cli import console

# Exit codes. As shells have it, a signal's is 128 and its number.
INTERRUPTED, HUNG_UP, TERMINATED = 130, 129, 143
# What sysexits.h calls a temporary failure: the same command, given again, goes on.
GO_ON_LATER = 75
# Not every system has all of them. SIGUSR1 is what job queues send some time before the end.
ENDING = {
    "SIGINT": INTERRUPTED,
    "SIGBREAK": INTERRUPTED,
    "SIGTERM": TERMINATED,
    "SIGHUP": HUNG_UP,
}
ENDING_TRAINING = {**ENDING, "SIGUSR1": GO_ON_LATER}
BY_HAND = ("SIGINT", "SIGBREAK")


class Interrupted(SystemExit):
    """Raised on a signal; on KeyboardInterrupt, older Typer versions exit with 1."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal that ends a command at once."""
    raise Interrupted(exit_code_of(number))


def exit_code_of(number: int) -> int:
    """The exit code of what a signal has ended."""
    return ENDING_TRAINING[signal.Signals(number).name]


def heeded(names: dict[str, int]) -> list[signal.Signals]:
    """Those of these signals that there are here, and that the parent does not ignore.

    It ignores SIGHUP behind nohup, and SIGINT for a script's background jobs.
    """
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [each for each in known if signal.getsignal(each) not in (signal.SIG_IGN, None)]


def end_on_signals() -> None:
    """Let signals end this process with its exit code, after whatever has to be cleaned up."""
    for each in heeded(ENDING):
        signal.signal(each, interrupt)


def end_by_default() -> None:
    """Let signals end this process without a word, as it is ending anyway."""
    for each in heeded(ENDING):
        signal.signal(each, signal.SIG_DFL)


class Stop:
    """Whether to end training. Signals exit at once, except the first one after `listen`.

    Attributes:
        code: exit code of what the signal has ended.
        same_signal: seconds within which a second signal is the first one again.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.listening = False
        self.code = INTERRUPTED
        self.same_signal, self.since = 0.0, 0.0

    def listen(self) -> None:
        """Let the next signal ask training to end, rather than exit."""
        self.listening = True

    def asked(self) -> bool:
        """Whether a signal has asked training to end."""
        return self.wanted

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        by_hand = signal.Signals(number).name in BY_HAND
        if self.wanted and not (by_hand and time.monotonic() - self.since >= self.same_signal):
            return  # Job queues and launchers may send the same signal to a process twice.
        if self.wanted or not self.listening:
            # A save that is under way leaves temporary files behind, but never a broken run.
            raise Interrupted(exit_code_of(number))
        self.wanted, self.code, self.since = True, exit_code_of(number), time.monotonic()
        console.say(
            "Stopping after this step; once more to stop at once."
            if by_hand
            else f"Stopping after this step, on {signal.Signals(number).name}."
        )


@contextmanager
def graceful_stop() -> Iterator[Stop]:
    """Yield a `Stop` that handles signals within the block: Ctrl-C, SIGTERM, SIGHUP, SIGUSR1."""
    stop = Stop()
    before = {each: signal.signal(each, stop.handle) for each in heeded(ENDING_TRAINING)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
