"""charlm runs compare"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import scoring
from charlm.cli.evaluate_tables import shown
from charlm.cli.options import Device, Json, RunNames, RunsDir, Threads
from charlm.errors import UsageError

if TYPE_CHECKING:
    from charlm.scoring.comparison import Comparison
    from charlm.sections import Grid


def compare(
    runs: RunNames,
    intervals: Annotated[
        bool,
        typer.Option(
            " /--no-intervals",
            help="Score nothing: no intervals, and no differences.",
            show_default=False,
        ),
    ] = True,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the scores: a PNG, SVG or PDF by the file's ending."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables in Markdown, to paste.")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Runs side by side, the best first: scores with intervals, and what they differ in.

    For the intervals, what was held out is scored once and kept with each run.
    """
    if json and markdown:
        raise UsageError("--json and --markdown do not go together.", "Leave one of them out.")
    if plot is not None:
        from charlm.plots.style import form_of

        form_of(plot)  # before minutes of scoring
    from charlm.comparison import compare

    with scoring() as report:
        found = compare(runs, runs_dir=runs_dir, intervals=intervals, device=device, report=report)
    if json:
        console.write_json(found.to_json())
    elif markdown:
        tables = [found.scores, *([found.paired] if found.paired else [])]
        console.write("\n".join(each.to_markdown() for each in tables))
    else:
        show(found)
    if not json:
        for sentence in (*found.notes, *found.reasons):
            console.say(sentence)
    if plot is not None:
        draw(found, plot)


def show(found: "Comparison") -> None:
    """Print the tables."""
    show_grid(found.scores, wrap=("differs in",))
    if found.paired is not None:
        console.gap()
        show_grid(found.paired)
    console.gap()
    show_grid(found.settings)


def show_grid(grid: "Grid", wrap: tuple[str, ...] = ()) -> None:
    """A table, its first columns aligned left."""
    rows = ([shown(value) for value in row] for row in grid.rows)
    console.table(grid.columns, rows, left=grid.columns[: grid.names], wrap=wrap)


def draw(found: "Comparison", file: Path) -> None:
    """Write the picture.

    Raises:
        UsageError: there is nothing to draw, or the file cannot be written.
    """
    if all(run.estimate is None for run in found.runs):
        raise UsageError("No run has a held-out score to draw.", "Leave out --plot.")
    from charlm.plots import comparison
    from charlm.plots.style import save

    inches = (9.0 if found.paired else 6.4, comparison.height_of(found))
    try:
        save(lambda figure: comparison.draw(figure, found), file, inches=inches)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"Cannot write '{file}': {why}.", "Name another file.") from None
    console.say(f"Drawn: {file}")
