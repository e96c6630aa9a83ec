"""charlm runs delete"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.options import RunNames, RunsDir
from charlm.errors import UsageError


def delete(
    runs: RunNames,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Delete runs for good."""
    from charlm.runs.deletion import delete_run, run_to_delete

    # Find all of them first, so that a wrong name deletes nothing; a run named twice counts once.
    paths = list(dict.fromkeys(run_to_delete(name, runs_dir) for name in runs))
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("Deleting needs a yes.", "Give --yes.")
        named = console.visible(", ".join(map(deletion_name, paths)))
        typer.confirm(f"Delete {named} for good?", abort=True)
    for path in paths:
        what = deletion_name(path)
        delete_run(path)
        console.say(f"Deleted {what}.")


def deletion_name(path: Path) -> str:
    """What to call a run to delete; a link is deleted without the run it leads to."""
    if path.is_symlink():
        stays = f" (the run {path.resolve()} stays)" if path.exists() else ""
        return f"the link {path.name}{stays}"
    return path.name
