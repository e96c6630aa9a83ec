"""Names of runs, which are names of folders on every system."""

import os
import re
from pathlib import Path

from charlm.commands import about_run
from charlm.errors import UsageError

LONGEST_NAME = 100  # bytes


def check_name(name: str) -> None:
    """Raise UsageError unless the name can be a folder's on every system."""
    shaped = re.fullmatch(r"[^\W_][\w.+-]*", name) and not name.endswith(".")
    if not shaped or len(os.fsencode(name)) > LONGEST_NAME:
        raise UsageError(
            f"'{name}' cannot be a run's name.",
            "Use letters, digits, '-', '_' and '.', beginning with a letter or digit.",
        )


def check_free(folder: Path, name: str) -> None:
    """Raise UsageError unless a new run in this folder can have the name."""
    check_name(name)
    path = folder / name
    if path.exists():
        raise UsageError(
            f"There is a run called '{name}' already.",
            f"Go on with it ({about_run(path, 'train', option='resume')}), delete it "
            f"({about_run(path, 'runs', 'delete')}), or choose another name with --run.",
        )


def free_name(folder: Path, stem: str) -> str:
    """`stem-1`, `stem-2`, …: the first that is not taken."""
    # As much of it as leaves room for a number.
    stem = os.fsencode(re.sub(r"[^\w.+-]+", "-", stem))[: LONGEST_NAME - 10].decode(
        "utf-8", "ignore"
    )
    stem = stem.strip("-_.+") or "run"
    number = 1
    while (folder / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"
