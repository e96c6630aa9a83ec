"""The folder of runs: listing them, and finding one by name or path."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from charlm.errors import RunError, suggestion
from charlm.files.paths import bundled_file
from charlm.files.paths import runs_folder as runs_folder
from charlm.runs.commands import command
from charlm.runs.directory import RunDirectory
from charlm.runs.names import check_name, composed, names_in

# Opens the run in a folder: by its record alone, or as its task does, which checks all its files.
Opener = Callable[[Path], RunDirectory]


def shipped_run() -> Path:
    """The folder of the run that comes with charlm; `data/make_model.py` made it."""
    return bundled_file("novella-gru/run.json").parent


def is_run(path: Path) -> bool:
    """Whether there is a run in this folder, even a damaged one."""
    try:
        # Without its record it is still a run, though damaged.
        others = (path / "vocabulary.json", path / "metrics.jsonl")
        return (path / "run.json").exists() or all(each.exists() for each in others)
    except OSError:
        # The path is no valid file name, or the folder cannot be entered.
        return False


def list_runs(
    folder: Path, opener: Opener = RunDirectory.open
) -> Iterator[RunDirectory | RunError]:
    """The runs of a folder, newest first, then an error for each one that cannot be read."""
    runs: list[RunDirectory] = []
    damaged: list[RunError] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if is_run(path) and not path.name.startswith("."):
            try:
                runs.append(opener(path))
            except RunError as error:
                damaged.append(error)
    yield from sorted(runs, key=lambda run: run.record.created, reverse=True)
    yield from damaged


def find_run(
    name: str | Path | None = None,
    folder: str | Path | None = None,
    opener: Opener = RunDirectory.open,
    shipped: bool = False,
) -> RunDirectory:
    """Find a run by name or path, or the newest one.

    Args:
        name: name or path; None stands for the newest run.
        folder: folder of the runs; by default the usual one.
        shipped: whether the run that comes with charlm is the newest where there is no other.

    Raises:
        RunError: there is no such run, or it cannot be read.
        UsageError: no run can have this name.
    """
    where = runs_folder(folder)
    if name is None:
        runs = list(list_runs(where, opener))
        for run in runs:
            if isinstance(run, RunDirectory):
                return run
        if shipped and not runs and is_run(shipped_run()):
            return opener(shipped_run())
        raise RunError(
            f"There is no run in '{where}' yet.", f"Make one: {command('train', folder=where)}"
        )
    path = Path(name)
    if str(name) and is_run(path):
        return opener(path)
    found = folder_called(str(name), where)
    if found is None:
        check_name(str(name))
        known = [each.name for each in list_runs(where, opener) if isinstance(each, RunDirectory)]
        make_one = f"Make one: {command('train', folder=where, run=name)}"
        hint = suggestion(dict.fromkeys(known), str(name)) if known else make_one
        raise RunError(f"There is no run called '{name}' in '{where}'.", hint)
    return opener(found)


def folder_called(name: str, where: Path) -> Path | None:
    """The entry of this name in the runs folder, in whichever Unicode normal form; or None."""
    name = name.rstrip("/" + os.sep)  # which shells append on completion
    # Some systems allow two spellings side by side: the exact one comes first.
    for each in sorted(names_in(where), key=lambda other: other != name):
        if composed(each) == composed(name) and not each.startswith("."):
            return where / each
    return None
