"""Deleting runs: whole or not at all."""

from pathlib import Path

from charlm.errors import RunError
from charlm.files.whole import remove_folder
from charlm.runs.commands import command
from charlm.runs.locks import RunInUseError, RunLock, is_locked
from charlm.runs.store import find_run, folder_called, is_run, runs_folder


def run_to_delete(name: str, folder: str | Path | None = None) -> Path:
    """The absolute path of a run to delete.

    The run may be damaged, or a symbolic link to a run or to nothing.

    Raises:
        RunError: there is no such run, or it is in use.
    """
    path = Path(name)
    if not name or not is_run(path):
        found = folder_called(name, runs_folder(folder))
        # If nothing is found, `find_run` raises an error that explains why.
        path = find_run(name, folder).path if found is None else found
    if not is_run(path) and (path.exists() or not path.is_symlink()):
        shown = command("runs", "list", folder=runs_folder(folder))
        raise RunError(f"'{path}' is no run.", f"To see which there are: {shown}")
    # "." and ".." have no name of their own. A link itself is deleted, not what it points to.
    path = path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
    if not path.is_symlink() and is_locked(path):
        raise RunInUseError(path)
    return path


def delete_run(path: Path) -> None:
    """Delete a run's folder and all that is in it; if it is a symbolic link, only the link.

    Raises:
        RunError: it cannot be deleted, or is in use.
    """
    try:
        if path.is_symlink():
            path.unlink()
        else:
            with RunLock.take(path):
                remove_folder(path)
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be deleted: {(error.strerror or str(error)).lower()}.",
            "See to its permissions, or delete the folder by hand.",
        ) from None
