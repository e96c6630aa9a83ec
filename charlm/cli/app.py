"""The program `charlm`: its commands, and how it ends."""

import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.bench import bench
from charlm.cli.commands import Commands
from charlm.cli.corpus import corpus_app
from charlm.cli.evaluate import evaluate
from charlm.cli.generate import generate
from charlm.cli.runs import runs_app
from charlm.cli.train import train
from charlm.cli.vocab import vocab
from charlm.errors import CharlmError
from charlm.version import __version__

app = Commands(
    name="charlm",
    help="Character language models: train, score and sample recurrent networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("generate")(generate)
app.command("eval")(evaluate)
app.command("vocab")(vocab)
app.command("bench")(bench)
app.add_typer(corpus_app, name="corpus")
app.add_typer(runs_app, name="runs")


def show_version(wanted: bool) -> None:
    if wanted:
        console.write(f"charlm {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """What all commands share."""


def interrupt(number: int, frame: FrameType | None) -> None:
    # SystemExit, since the library in between would turn KeyboardInterrupt into exit code 1.
    console.say("Interrupted.")
    raise SystemExit(130)


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGINT, interrupt)
    # Text goes in and out as UTF-8, whatever the locale calls itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    if arguments is None:
        arguments = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in sys.argv[1:]]
    try:
        app(arguments, prog_name="charlm")
    except CharlmError as error:
        console.fail(error)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            console.say("Out of memory. Use a smaller --batch-size, --seq-length or --hidden-size.")
            sys.exit(1)
        raise
