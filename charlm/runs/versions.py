"""Runs that another version of charlm made: which one, and what to do about it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charlm.errors import RunError
from charlm.files.schema import quoted
from charlm.version import __version__

UPGRADE = "Upgrade charlm to use this run."


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version: (0, 10, 2) of "0.10.2.dev3+local"; none of what is no version."""
    found = re.match(r"\d{1,6}(?:\.\d{1,6}){0,3}", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def writer_of(values: Any) -> str:
    """The newest version that a record names: the one that made the run, or wrote it last."""
    if not isinstance(values, Mapping):
        return ""
    named = [values.get(name) for name in ("charlm", "written_by")]
    return max((each for each in named if isinstance(each, str)), key=release, default="")


def is_newer(values: Any) -> bool:
    """Whether a record, damaged or not, was written by a newer charlm than this one."""
    return release(writer_of(values)) > release(__version__)


def made_by(values: Any) -> str:
    """Which charlm wrote a record, in words."""
    writer = writer_of(values)
    return f"charlm {quoted(writer)[1:-1]}" if release(writer) else "another charlm"


def newer_format(path: Path, values: Any, known: int) -> RunError:
    """The error for a record of a format that this charlm does not know yet."""
    made = f"{made_by(values)}, newer than this one ({__version__})"
    if not is_newer(values):
        made = f"a newer charlm than this one ({__version__})"
    return RunError(
        f"'{path}' was made by {made}: it has format {values['format']}, and the newest known here "
        f"is {known}.",
        UPGRADE,
    )


def older_format(path: Path, values: Any, oldest: int) -> RunError:
    """The error for a record of a format that this charlm no longer reads."""
    return RunError(
        f"'{path}' was made by {made_by(values)}, too old for this one ({__version__}): it has "
        f"format {values['format']}, and the oldest read here is {oldest}.",
        "Use the charlm that made it.",
    )


def from_newer(path: Path, values: Any, why: str) -> RunError:
    """The error for a record that this charlm does not understand, though it knows the format."""
    newer = f"newer than this one ({__version__})"
    if not is_newer(values):
        newer = f"which knows more than this one ({__version__})"
    return RunError(f"'{path}' was made by {made_by(values)}, {newer}: {why}.", UPGRADE)
