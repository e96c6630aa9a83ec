"""What the Tab key offers after an option: names that are there, and else the shell's files.

A shell starts charlm at each Tab, so nothing here imports torch or opens a run; and what goes wrong
offers nothing. Where nothing is offered, shells complete files by themselves. Other rooms are
imported only once there is a Tab, since all commands import this file.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import typer

from charlm.files.paths import runs_folder
from charlm.text.catalog import CATALOG

# A name, and what it is.
Offer = str | tuple[str, str]
Completer = Callable[[typer.Context, str], list[Offer]]


def offering(find: Callable[[typer.Context], Iterable[Offer]]) -> Completer:
    """A function for Typer's `autocompletion`, which offers what begins as the user's word does.

    Args:
        find: all that there is to offer; whatever it raises, nothing is.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[Offer]:
        try:
            found = list(find(ctx))
        except Exception:  # A Tab must not print a traceback into the command line.
            return []
        return [each for each in found if name_of(each).startswith(incomplete)]

    return complete


def name_of(offer: Offer) -> str:
    """What is put into the command line."""
    return offer if isinstance(offer, str) else offer[0]


def values_of(option: str) -> Completer:
    """The values that an option of `charlm train` can have."""

    def find(ctx: typer.Context) -> Iterable[Offer]:
        from charlm.settings_file.keys import choices_of

        return choices_of(option)

    return offering(find)


def names_of_runs(ctx: typer.Context) -> list[Offer]:
    """The runs in the folder that --runs-dir or the environment names, but those named already."""
    from charlm.runs.names import names_in
    from charlm.runs.store import is_run

    folder = runs_folder(ctx.params.get("runs_dir"))
    named: Collection[str] = ctx.params.get("runs") or ()
    others = [name for name in sorted(names_in(folder)) if name not in named]
    return [name for name in others if not name.startswith(".") and is_run(folder / name)]


def names_of_presets(ctx: typer.Context) -> list[Offer]:
    """The presets, those of one task where that is named."""
    from charlm.settings_file.keys import choices_of
    from charlm.tasks.registry import TASKS

    named = ctx.params.get("task")
    if named in TASKS:
        return list(TASKS[named].presets)
    return list(choices_of("preset"))


def names_of_corpora(ctx: typer.Context) -> list[Offer]:
    """The named corpora, and what each is."""
    return [(entry.name, entry.title) for entry in CATALOG.values()]


def names_of_splits(ctx: typer.Context) -> list[Offer]:
    """Of a run's own text."""
    return ["train", "val", "test", "all"]


def corpora_and_files(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Corpora and, beside them, files and folders here; nothing where only files fit.

    A shell completes files better than this could: it knows of folders, blanks and homes.
    """
    corpora = complete_corpora(ctx, incomplete)
    if not corpora or "/" in incomplete or incomplete.startswith(("~", ".")):
        return []
    try:
        here = sorted(Path().iterdir())
    except OSError:
        here = []
    fitting = [e for e in here if e.name.startswith(incomplete) and not e.name.startswith(".")]
    return [*corpora, *(f"{each.name}/" if each.is_dir() else each.name for each in fitting)]


complete_runs = offering(names_of_runs)
complete_presets = offering(names_of_presets)
complete_corpora = offering(names_of_corpora)
complete_splits = offering(names_of_splits)
