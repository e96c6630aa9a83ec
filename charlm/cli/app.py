"""The program `charlm`: its commands and exit codes."""

import atexit
import os
import sys
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import preparing
from charlm.cli.bench import bench
from charlm.cli.commands import Commands
from charlm.cli.compress import compress, decompress
from charlm.cli.corpus import corpus_app
from charlm.cli.doctor import doctor
from charlm.cli.evaluate import evaluate
from charlm.cli.export import export
from charlm.cli.generate import generate
from charlm.cli.inspect import inspect_app
from charlm.cli.plot import plot
from charlm.cli.predict import predict
from charlm.cli.report import report
from charlm.cli.runs import runs_app
from charlm.cli.stopping import Interrupted, end_by_default, end_on_signals
from charlm.cli.streams import standard_streams
from charlm.cli.train import train
from charlm.cli.version import check_version_options, show_version
from charlm.cli.vocab import vocab
from charlm.errors import CharlmError
from charlm.machine.memory import NotEnoughMemoryError, is_shortage
from charlm.progress import PREPARING

# A larger size of the terminal is taken for a mistake.
MOST_COLUMNS = 10_000

app = Commands(
    name="charlm",
    help="Character language models: train, score and sample recurrent networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("generate")(generate)
app.command("predict")(predict)
app.command("eval")(evaluate)
app.command("plot")(plot)
app.command("vocab")(vocab)
app.command("report")(report)
app.command("export")(export)
app.command("compress")(compress)
app.command("decompress")(decompress)
app.command("bench")(bench)
app.command("doctor")(doctor)
app.add_typer(corpus_app, name="corpus")
app.add_typer(runs_app, name="runs")
app.add_typer(inspect_app, name="inspect")


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="With --version: all that a bug report needs."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --version: as JSON.")] = False,
) -> None:
    """What all commands share."""
    check_version_options(version, verbose, json)
    if version:
        show_version(verbose, json)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 failed, 2 wrong usage; see `charlm.cli.stopping`."""
    end_on_signals()
    if arguments is None:
        arguments = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in sys.argv[1:]]
    ignore_odd_sizes()
    console.console_for.cache_clear()
    with standard_streams() as err:
        code = exit_code(arguments)
        if err.dropped:
            code = code or 1
    atexit.register(end_by_default)
    sys.exit(code)


def exit_code(arguments: list[str]) -> int:
    """Run a command line and return its exit code; the standard streams are already set up."""
    PREPARING.set(preparing())
    try:
        app(arguments, prog_name="charlm", obj=arguments)
    except Interrupted as signalled:
        console.say("Interrupted.")
        return int(signalled.code or 0)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except CharlmError as error:
        console.fail(error)
        return error.exit_code
    except (MemoryError, RuntimeError, ValueError) as error:
        if not is_shortage(error):
            raise
        console.fail(NotEnoughMemoryError("There is not enough memory for this."))
        return 1
    return 0


def ignore_odd_sizes() -> None:
    """Unset impossible terminal sizes, such as the COLUMNS=0 of some editors."""
    for name in ("COLUMNS", "LINES"):
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdecimal() and 0 < int(value) <= MOST_COLUMNS):
            os.environ.pop(name, None)
