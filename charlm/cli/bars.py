"""Progress bars on standard error, which show nothing until they are told something."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from charlm.cli import console
from charlm.reports import Report


@contextmanager
def bar(label: str, figures: tuple[str, ...]) -> Iterator[Report]:
    """A report, of what is done and of how much there is (0 if nobody knows), that draws a bar.

    Args:
        figures: names of Rich's columns right of the bar.
    """
    from rich import progress

    terminal = console.terminal(stderr=True)
    columns = (getattr(progress, figure)() for figure in figures)
    with progress.Progress(
        progress.TextColumn(label),
        progress.BarColumn(bar_width=20),
        *columns,
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    ) as drawn:
        task = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = drawn.add_task("", total=total or None)
            drawn.update(task, completed=done, total=total or None)

        yield report


def fetching() -> AbstractContextManager[Report]:
    """For `fetch` and `open_corpus`, in bytes."""
    return bar("Downloading", ("DownloadColumn", "TransferSpeedColumn"))


def scoring() -> AbstractContextManager[Report]:
    """For `Run.evaluate`, in characters."""
    return bar("Scoring", ("MofNCompleteColumn", "TimeRemainingColumn"))
