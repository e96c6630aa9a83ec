"""Paths given by users, and the folder that runs are kept in."""

import os
from pathlib import Path

from charlm.errors import UsageError

DEFAULT_RUNS = "runs"


def expanded(path: str | Path, advice: str = "Write out the whole path.") -> Path:
    """The path with a leading `~` or `~user` replaced by the home folder.

    Args:
        advice: what the error tells the user to do.

    Raises:
        UsageError: the home folder is unknown.
    """
    given = Path(path)
    try:
        return given.expanduser()
    except RuntimeError:
        user = given.parts[0][1:]
        why = f"there is no user '{user}' here" if user else "there is no home folder here"
        raise UsageError(f"'{path}' leads nowhere: {why}.", advice) from None


def runs_folder(given: str | Path | None = None) -> Path:
    """Folder of the runs: as given, else $CHARLM_RUNS_DIR, else `runs` in the current folder.

    Raises:
        UsageError: the path begins with an unknown home folder.
    """
    return expanded(given or os.environ.get("CHARLM_RUNS_DIR") or DEFAULT_RUNS)


def bundled_file(name: str) -> Path:
    """Where a file that comes with charlm is: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed, checked_out = (folder / "data" / name for folder in (package, package.parent))
    return installed if installed.is_file() else checked_out
