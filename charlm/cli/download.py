"""The progress bar of a download."""

from collections.abc import Iterator
from contextlib import contextmanager

from charlm.cli import console
from charlm.text.download import Report


@contextmanager
def fetching() -> Iterator[Report]:
    """A report for `open_corpus` and `fetch` that draws a bar on standard error, if it is told."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    terminal = console.terminal(stderr=True)
    columns = (TextColumn("Downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=terminal, transient=True) as progress:
        task = None

        def report(received: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task("", total=total or None)
            progress.update(task, completed=received, total=total or None)

        yield report
