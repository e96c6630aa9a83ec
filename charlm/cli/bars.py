"""Progress on standard error: a bar on a terminal, elsewhere a plain line now and then."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from charlm.cli import console
from charlm.progress import ProgressCallback

PLAIN_SECONDS = 5.0


class Pace:
    """Prints plain lines, at most one every PLAIN_SECONDS."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def say(self, line: str) -> None:
        """Print the line, unless it is too soon after the last one."""
        if time.monotonic() - self.said >= PLAIN_SECONDS:
            self.said = time.monotonic()
            console.say(line)


def plain_line(label: str, unit: str, done: int, total: int) -> str:
    """Such as "Scoring: 4,096 of 19,064 characters (21%)"; a total of 0 means unknown."""
    if not total:
        return f"{label}: {done:,} {unit}"
    return f"{label}: {done:,} of {total:,} {unit} ({done / total:.0%})"


@contextmanager
def bar(label: str, unit: str, figures: tuple[str, ...]) -> Iterator[ProgressCallback]:
    """Yield a callback that shows progress, given what is done and the total (0 if unknown).

    Nothing is shown before its first call.

    Args:
        label: the name of what is going on.
        unit: what is counted, for plain lines.
        figures: names of the classes in `rich.progress` for the columns right of the bar.
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
    ) as display:
        task = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = display.add_task("", total=total or None)
            display.update(task, completed=done, total=total or None)

        yield report


def fetching(label: str = "Getting the text") -> AbstractContextManager[ProgressCallback]:
    """Progress of `fetch` and `open_corpus`, which downloads or prepares, in bytes."""
    return bar(label, "bytes", ("DownloadColumn", "TransferSpeedColumn"))


def preparing() -> ProgressCallback:
    """Progress of a large text that is prepared on the way to something else: plain lines."""
    pace = Pace()
    return lambda done, total: pace.say(plain_line("Preparing the text", "bytes", done, total))


def scoring() -> AbstractContextManager[ProgressCallback]:
    """Progress of `Run.evaluate`, in characters."""
    return bar("Scoring", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def coding(label: str) -> AbstractContextManager[ProgressCallback]:
    """Progress of `compress` and `decompress`, in characters."""
    return bar(label, "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def comparing() -> AbstractContextManager[ProgressCallback]:
    """Progress of `Inspector.copying`, in characters: written first, then compared."""
    return bar("Writing and comparing", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def looking(run: str) -> AbstractContextManager[ProgressCallback]:
    """Progress of `Run.inspect.memory`, in hundredths."""
    return bar(f"Looking at {run}", "parts", ("TaskProgressColumn", "TimeRemainingColumn"))


def reading() -> AbstractContextManager[ProgressCallback]:
    """Progress of `Writer.read`, in characters."""
    return bar("Reading the prefix", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def writing() -> AbstractContextManager[ProgressCallback]:
    """Progress of `Writer.texts`, in characters of each text."""
    return bar("Writing", "characters", ("MofNCompleteColumn", "TimeRemainingColumn"))


def continuing() -> AbstractContextManager[ProgressCallback]:
    """Progress of `Writer.each`, in prefixes."""
    return bar("Writing", "prefixes", ("MofNCompleteColumn", "TimeRemainingColumn"))
