"""How far something is, on standard error: a bar, or a plain line now and then."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from charlm.cli import console
from charlm.progress import ProgressCallback

PLAIN_SECONDS = 5.0


class Pace:
    """Plain lines, none sooner than some seconds after the one before it."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def say(self, line: str) -> None:
        """Say it, or not if it is too soon."""
        if time.monotonic() - self.said >= PLAIN_SECONDS:
            self.said = time.monotonic()
            console.say(line)


def plain_line(label: str, unit: str, done: int, total: int) -> str:
    """Such as "Scoring: 4,096 of 19,064 characters (21%)"; a total of 0 is not known."""
    if not total:
        return f"{label}: {done:,} {unit}"
    return f"{label}: {done:,} of {total:,} {unit} ({done / total:.0%})"


@contextmanager
def bar(label: str, unit: str, figures: tuple[str, ...]) -> Iterator[ProgressCallback]:
    """A report, of what is done and of how much there is (0 if nobody knows), that shows it.

    Nothing is shown until it is told something.

    Args:
        unit: what is counted, for plain lines.
        figures: names of Rich's columns right of the bar.
    """
    if not console.is_live():
        pace = Pace()
        yield lambda done, total: pace.say(plain_line(label, unit, done, total))
        return
    from rich import progress

    columns = (getattr(progress, figure)() for figure in figures)
    with progress.Progress(
        progress.TextColumn(label),
        progress.BarColumn(bar_width=20),
        *columns,
        console=console.terminal(stderr=True),
        transient=True,
    ) as drawn:
        task = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = drawn.add_task("", total=total or None)
            drawn.update(task, completed=done, total=total or None)

        yield report


def fetching() -> AbstractContextManager[ProgressCallback]:
    """For `fetch` and `open_corpus`, in bytes."""
    return bar("Downloading", "bytes", ("DownloadColumn", "TransferSpeedColumn"))


def scoring() -> AbstractContextManager[ProgressCallback]:
    """For `Run.evaluate`, in characters."""
    return bar("Scoring", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))
