"""charlm export"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.options import RunsDir
from charlm.cli.output_files import checked_new, write_whole
from charlm.errors import SettingError, UsageError

STDOUT = Path("-")


def export(
    run: Annotated[
        str | None, typer.Argument(help="A run's name or path.", show_default="the newest")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="page (HTML that writes in a browser), onnx or safetensors.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or - for standard output.",
            show_default="the run's name, in this folder",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Make one file of a trained model, to be handed on."""
    from charlm.export import FORMATS, look_up_format
    from charlm.export import export as content_of
    from charlm.tasks.registry import find_run

    if to is None:
        raise SettingError("to", f"is missing: give one of {', '.join(FORMATS)}.")
    suffix, found = look_up_format(to).suffix, find_run(run, runs_dir)
    if out == STDOUT:
        if overwrite:
            raise SettingError("overwrite", "is of a file, and this goes to standard output.")
        if sys.stdout.isatty():
            raise UsageError(
                "A model would fill this terminal.", "Name a file with --out, or use a pipe."
            )
        console.write_bytes(content_of(found, to))
        return
    file = checked_new(Path(found.name + suffix) if out is None else out, overwrite)
    content = content_of(found, to)
    write_whole(file, content)
    console.say(f"Wrote {file}: {size(len(content))}.")


def size(n: int) -> str:
    """A number of bytes, such as "1.46 MB"."""
    return f"{n / 1e6:.2f} MB" if n >= 1e5 else f"{n / 1e3:.1f} kB"
