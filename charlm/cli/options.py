"""Command-line options: those shared by commands, and those made from configuration fields."""

import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.completion import complete_runs, complete_splits, corpora_and_files, values_of
from charlm.config import Config
from charlm.machine.threads import name_threads
from charlm.presets import DECIDED_BY_DATA


def announce_standard_input(corpus: list[str] | None) -> list[str] | None:
    """Tell the user if text is read from the terminal, and how to end it; returns the argument."""
    if corpus and "-" in corpus and sys.stdin is not None and sys.stdin.isatty():
        console.say("Reading the text from this terminal; Ctrl-D on a line of its own ends it.")
    return corpus


CorpusArgument = Annotated[
    list[str] | None,
    typer.Argument(
        callback=announce_standard_input,
        autocompletion=corpora_and_files,
        help="A catalog name, files, a folder, a glob, or - for standard input.",
        show_default="the bundled corpus",
    ),
]
Normalize = Annotated[
    str | None,
    typer.Option(
        help="letters, letters-by-line, lower or none.",
        show_default=False,
        autocompletion=values_of("normalize"),
    ),
]
RunsDir = Annotated[
    str | None,
    typer.Option(help="Folder of the runs.", envvar="CHARLM_RUNS_DIR", show_default="runs"),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run",
        help="A run's name or path.",
        show_default="the newest",
        autocompletion=complete_runs,
    ),
]
RunArgument = Annotated[
    str | None,
    typer.Argument(
        help="A run's name or path.", show_default="the newest", autocompletion=complete_runs
    ),
]
RunNames = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Names or paths of runs.", autocompletion=complete_runs),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Of two labels: give the second one from this probability on.",
        show_default="the run's",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda or mps.", autocompletion=values_of("device"))
]
BackendName = Annotated[
    str,
    typer.Option(
        help="Who computes: auto, scratch, builtin or fused.", autocompletion=values_of("backend")
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Threads that compute on the CPU, like OMP_NUM_THREADS.",
        show_default="as many as are fastest at the moment",
        min=1,
        callback=name_threads,
    ),
]
Units = Annotated[str, typer.Option(help="What a text is read as: characters, words or bytes.")]
Encoding = Annotated[str, typer.Option(help="How the text's bytes spell characters, or auto.")]
# Of a text that may also be the run's own, whose encoding is known.
TextEncoding = Annotated[
    str | None,
    typer.Option(
        help="How the text's bytes spell characters, or auto.",
        show_default="utf-8, or as a run read that file",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Of the run's own text: train, val, test or all.",
        show_default="held out",
        autocompletion=complete_splits,
    ),
]
Unknown = Annotated[
    str,
    typer.Option(help="Characters that the run lacks: replace (read as <unk>), skip or error."),
]


def settings_options(
    defaults: dict[str, Any], leave_out: Collection[str] = (), /, **panels: type[Config]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of some configurations.

    The command gets those that were given, by field name, as its argument `settings`.

    Args:
        defaults: shown in the help in place of the fields' own.
        leave_out: fields that get none.
        panels: configurations, by the heading of their options in the help.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options: dict[str, Any] = {}
        for heading, config in panels.items():
            for each in fields(config):
                # A setting that several tasks share stands where it comes first.
                if each.metadata and each.name not in {*DECIDED_BY_DATA, *leave_out, *options}:
                    default = defaults.get(each.name, each.default)
                    options[each.name] = option(each, default, heading)

        @wraps(command)
        def wrapper(**values: Any) -> None:
            given = {name: values.pop(name) for name in options}
            settings = {name: value for name, value in given.items() if value not in (None, [])}
            command(**values, settings=settings)

        own = inspect.signature(command).parameters.values()
        kept = [each for each in own if each.name != "settings"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in options.items()
        ]
        signature = inspect.Signature([*kept, *added])
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        wrapper.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
        return wrapper

    return decorate


def option(field: Any, default: Any, heading: str) -> Any:
    """The annotation from which Typer makes a field's option; None means "not given"."""
    info = typer.Option(
        help=field.metadata["help"] + ("" if default is None else f" (default {default})"),
        show_default=False,
        rich_help_panel=heading.replace("_", " "),
        autocompletion=values_of(field.name),
    )
    kind = list[str] if field.metadata["several"] else field.type
    return Annotated[kind | None, info]
