"""charlm report"""

from pathlib import Path
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import bar
from charlm.cli.options import BackendName, Device, RunArgument, RunsDir, Threads
from charlm.cli.output_files import checked, write_whole


def report(
    run: RunArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write.", show_default="report.html in the run's folder"),
    ] = None,
    device: Device = "cpu",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
) -> None:
    """Make a page of HTML, in one file, of all there is to see of a run."""
    from charlm.report import make_report
    from charlm.tasks.registry import find_run

    found = find_run(run, runs_dir)
    file = checked(found.path / "report.html" if out is None else out)
    with bar("Report", "chapters", ("MofNCompleteColumn", "TimeElapsedColumn")) as progress:
        page = make_report(found, device, backend, progress)
    write_whole(file, page)
    console.say(f"Wrote {file}.")
