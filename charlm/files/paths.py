"""Folders that users name, and where runs are kept."""

import os
from pathlib import Path

from charlm.errors import UsageError

DEFAULT_RUNS = "runs"


def expanded(path: str | Path, advice: str = "Write out the whole path.") -> Path:
    """The path, with the home folder that a `~` at its beginning stands for.

    Raises:
        UsageError: nobody knows that home.
    """
    given = Path(path)
    try:
        return given.expanduser()
    except RuntimeError:
        user = given.parts[0][1:]
        why = f"there is no user '{user}' here" if user else "there is no home folder here"
        raise UsageError(f"'{path}' leads nowhere: {why}.", advice) from None


def runs_folder(given: str | Path | None = None) -> Path:
    """Where runs are kept: as given, else $CHARLM_RUNS_DIR, else `runs` in the current folder.

    Raises:
        UsageError: it is in a home that nobody knows.
    """
    return expanded(given or os.environ.get("CHARLM_RUNS_DIR") or DEFAULT_RUNS)
