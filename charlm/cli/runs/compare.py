"""charlm runs compare"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import scoring
from charlm.cli.evaluate_tables import show_grid
from charlm.cli.options import Device, Json, RunNames, RunsDir, Threads
from charlm.cli.output_files import checked_picture, save_picture
from charlm.errors import UsageError

if TYPE_CHECKING:
    from charlm.scoring.comparison import Comparison


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
        plot = checked_picture(plot)
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


def draw(found: "Comparison", file: Path) -> None:
    """Write the picture.

    Raises:
        UsageError: there is nothing to draw.
        RunError: the file cannot be written.
    """
    if all(run.estimate is None for run in found.runs):
        raise UsageError("No run has a held-out score to draw.", "Leave out --plot.")
    from charlm.plots import comparison

    inches = (9.0 if found.paired else 6.4, comparison.height_of(found))
    save_picture(lambda figure: comparison.draw(figure, found), file, inches)
    console.say(f"Drawn: {file}")
