"""`--config FILE` of `charlm train`: below the command line and the environment, above presets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli.options import announce_standard_input
from charlm.errors import CharlmError
from charlm.machine.threads import named_threads
from charlm.presets import LIMITS

if TYPE_CHECKING:
    from charlm.settings_file.reading import SettingsFile

FILE = "charlm.settings_file"  # where the context keeps what was read


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Read the file, and have options that are not given take its values."""
    if path is None or ctx.resilient_parsing:
        return path
    from charlm.settings_file.reading import read_settings_file

    file = read_settings_file(path)
    if named_threads() is not None:
        file = file.without("threads")  # The environment goes first.
    ctx.meta[FILE] = file
    # Of the texts, older versions of Click ask no map of defaults: see `texts_that_count`.
    ctx.default_map = dict(file.without("corpus").values)
    return path


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A TOML file of these options; the command line goes before it.",
        show_default=False,
        is_eager=True,
        callback=read_config,
    ),
]


def texts_that_count(ctx: typer.Context, corpus: list[str] | None) -> list[str] | None:
    """The texts of the command line, or those of the file."""
    if corpus or FILE not in ctx.meta:
        return corpus
    return announce_standard_input(ctx.meta[FILE].values.get("corpus"))


def settings_that_count(ctx: typer.Context, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings; of limits, those of the command line alone if there are any.

    As a limit that is given replaces all of a preset's, so it does those of a file.
    """
    if FILE not in ctx.meta:
        return settings
    typed = {name for name in LIMITS if is_typed(ctx, name)}
    left_out = set(LIMITS) - typed if typed else set[str]()
    return {name: value for name, value in settings.items() if name not in left_out}


def is_typed(ctx: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = ctx.get_parameter_source(name)
    # Older versions of Click say so of texts, too, where there are none.
    there = ctx.params.get(name) not in (None, [], ())
    return there and source is not None and source.name == "COMMANDLINE"


@contextmanager
def told_by_line(ctx: typer.Context) -> Iterator[None]:
    """Give errors the line of the file in which that stands which they are about, if it does."""
    try:
        yield
    except CharlmError as error:
        file: SettingsFile | None = ctx.meta.get(FILE)
        if file is None:
            raise
        typed = [name for name in file.values if is_typed(ctx, name)]
        raise file.without(*typed).error_about(error) from None
