"""charlm plot"""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.completion import complete_runs
from charlm.cli.options import Json, RunsDir
from charlm.cli.output_files import checked_picture, save_picture
from charlm.errors import UsageError

if TYPE_CHECKING:
    from charlm.inspection.curves import TrainingCurves

# Letters tell them apart in a terminal.
MOST_RUNS = 26
PIPE_COLUMNS, MOST_COLUMNS, ROWS = 72, 100, 16
THEMES = ("light", "dark")


def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Names or paths of runs.",
            show_default="the newest",
            autocompletion=complete_runs,
        ),
    ] = None,
    x: Annotated[str, typer.Option("--x", help="steps, items or minutes.")] = "steps",
    y: Annotated[
        str | None,
        typer.Option(
            "--y",
            help="What the task measures, such as bits, nats, perplexity, accuracy or rmse.",
            show_default="the loss",
        ),
    ] = None,
    smooth: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="ITEMS",
            help="Also draw the training loss as its mean over a window of so many items.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A picture: a file that ends in .png, .svg or .pdf.",
            show_default="a chart in the terminal",
        ),
    ] = None,
    theme: Annotated[
        str | None, typer.Option(help="Of a picture: light or dark.", show_default="light")
    ] = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Draw how training went: the training and the held-out loss of one or several runs.

    A picture also shows the learning rate and the norm of the gradient.
    """
    from charlm.tasks.curves import training_curves
    from charlm.tasks.registry import find_run

    if theme is not None and out is None:
        raise UsageError("--theme is of a picture.", "Name its file with --out.")
    if theme not in (None, *THEMES):
        raise UsageError(f"There is no theme called '{theme}'.", f"Known: {', '.join(THEMES)}.")
    picture = None if out is None else checked_picture(out)
    found = [find_run(name, runs_dir) for name in runs or (None,)]
    different = list({each.path.resolve(): each for each in found}.values())
    if len(different) > MOST_RUNS:
        raise UsageError(
            f"{len(different)} runs are too many for one picture.", f"Name at most {MOST_RUNS}."
        )
    curves = training_curves(different, x, y, smooth)
    for note in curves.notes:
        console.say(note)
    if picture is not None:
        from charlm.plots.curves import draw_training, inches_for

        draw = partial(draw_training, curves=curves)
        save_picture(draw, picture, inches_for(curves), theme or "light")
    if json:
        console.write_json(curves.to_json())
    elif picture is not None:
        console.say(f"Drawn: {picture}")
    else:
        show(curves)


def show(curves: "TrainingCurves") -> None:
    """Print a chart: coloured on a terminal that has colours, in a pipe plain ASCII."""
    from rich.text import Text

    from charlm.cli.terminal_chart import chart

    terminal = console.terminal()
    width = min(terminal.width, MOST_COLUMNS) if terminal.is_terminal else PIPE_COLUMNS
    lines = chart(curves, width, ROWS, ascii_only=not has_signs())
    if not terminal.is_terminal:
        for line in lines:
            shown = "".join(piece.text for piece in line).rstrip()
            console.write(console.on_one_line(shown) + "\n")
        return
    for line in lines:
        pieces = ((console.visible(piece.text), piece.colour) for piece in line)
        terminal.print(Text.assemble(*pieces, overflow="fold"))


def has_signs() -> bool:
    """Whether standard output is a terminal that shows characters beyond ASCII."""
    terminal = console.terminal()
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "")
    utf8 = not locale or "utf8" in locale.lower().replace("-", "")
    return terminal.is_terminal and not terminal.is_dumb_terminal and utf8
