"""Names of runs, which are names of folders on every system."""

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from charlm.errors import UsageError
from charlm.runs.commands import run_command

LONGEST_NAME = 100  # bytes of UTF-8
# Persian and the scripts of India are not spelled without them; they are seen in no other way.
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Windows keeps these for devices, whatever follows after a full stop.
DEVICES = frozenset(
    (
        "CON",
        "PRN",
        "AUX",
        "NUL",
        *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"),
    )
)
FORBIDDEN = "\0"


class NameTakenError(UsageError):
    """A new run cannot have a name, since something else in the runs folder has it."""

    def __init__(self, path: Path) -> None:
        name, other = path.name, "choose another name with --run."
        if (path / "run.json").exists():
            super().__init__(
                f"There is a run called '{name}' already.",
                f"Go on with it ({run_command(path, 'train', option='resume')}), delete it "
                f"({run_command(path, 'runs', 'delete')}), or {other}",
            )
        else:
            super().__init__(f"'{path}' is there already.", other.capitalize())


def composed(name: str) -> str:
    """The name in Unicode's normal form C, in which names are compared and new ones written."""
    return unicodedata.normalize("NFC", name)


def check_name(name: str) -> str:
    """The name, composed.

    Raises:
        UsageError: it cannot be a folder's on every system.
    """
    name = composed(name)
    problem = f"'{name}' cannot be a run's name"
    if not name[:1].isalnum() or name.endswith(".") or FORBIDDEN in replace_forbidden(name):
        raise UsageError(
            f"{problem}.",
            "Use letters, digits, '-', '_' and '.', beginning with a letter or digit.",
        )
    if is_device(name):
        raise UsageError(f"{problem}: Windows keeps it for a device.", "Choose another one.")
    size = len(os.fsencode(name))
    if size > LONGEST_NAME:
        raise UsageError(
            f"{problem}: it takes {size} bytes in UTF-8, and may take {LONGEST_NAME}.",
            "Choose a shorter one.",
        )
    return name


def is_device(name: str) -> bool:
    return name.split(".")[0].upper() in DEVICES


def is_letter(character: str) -> bool:
    """Whether it is a letter or digit, or a mark that combines with one."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def replace_forbidden(text: str) -> str:
    """The text with FORBIDDEN in place of each character that cannot stand there in a name."""

    def fits(at: int, character: str) -> bool:
        if character in JOINERS:
            return 0 < at < len(text) - 1 and is_letter(text[at - 1])
        return is_letter(character) or character in "_.+-"

    return "".join(each if fits(at, each) else FORBIDDEN for at, each in enumerate(text))


def check_free(folder: Path, name: str) -> str:
    """The name, composed, if a new run in this folder can have it.

    Raises:
        UsageError: it makes no name.
        NameTakenError: something there has it, or has it on some system.
    """
    name = check_name(name)
    for other in names_in(folder):
        if alike(other) == alike(name):
            raise NameTakenError(folder / other)
    return name


def alike(name: str) -> str:
    """What names have in common that are one and the same on some system."""
    return composed(composed(name).casefold())


def names_in(folder: Path) -> list[str]:
    """Of all that lies in the runs folder, be it a run or not."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def free_names(folder: Path, stem: str) -> Iterator[str]:
    """`stem-1`, `stem-2`, …: those that are not taken."""
    stem = re.sub(f"{FORBIDDEN}+", "-", replace_forbidden(composed(stem)))
    # As much of it as leaves room for a number.
    stem = os.fsencode(stem.lstrip("-_.+"))[: LONGEST_NAME - 10].decode("utf-8", "ignore")
    stem = stem.rstrip("-_.+" + JOINERS)
    if not stem[:1].isalnum() or is_device(f"{stem}-1"):
        stem = f"run-{stem}".rstrip("-")
    taken = set(map(alike, names_in(folder)))
    for number in count(1):
        name = f"{stem}-{number}"
        if alike(name) not in taken:
            yield name
