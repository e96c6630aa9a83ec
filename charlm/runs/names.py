"""Names of runs, which must be valid folder names on every operating system."""

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from charlm.errors import UsageError
from charlm.runs.commands import run_command

LONGEST_NAME = 100  # bytes of UTF-8
# Invisible by themselves, but needed to spell Persian and the scripts of India.
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Windows reserves these for devices, whatever follows after a full stop.
DEVICES = frozenset(
    (
        "CON",
        "PRN",
        "AUX",
        "NUL",
        *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"),
    )
)
FORBIDDEN = "\0"  # marks characters that a name cannot have


class NameTakenError(UsageError):
    """The name for a new run is taken by something in the runs folder."""

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
    """The name in Unicode normal form C, in which names are compared and created."""
    return unicodedata.normalize("NFC", name)


def check_name(name: str, what: str = "a run") -> str:
    """Check a name and return it in normal form C.

    Args:
        what: what it is to be the name of.

    Raises:
        UsageError: it is not a valid folder name on every operating system.
    """
    name = composed(name)
    problem = f"'{name}' cannot be {what}'s name"
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
    """Whether Windows reserves the name for a device."""
    return name.split(".")[0].upper() in DEVICES


def is_letter(character: str) -> bool:
    """Whether a character is a letter, a digit, or a mark that combines with one."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def replace_forbidden(text: str) -> str:
    """The text with FORBIDDEN in place of each character that a name cannot have there."""

    def fits(at: int, character: str) -> bool:
        if character in JOINERS:
            return 0 < at < len(text) - 1 and is_letter(text[at - 1])
        return is_letter(character) or character in "_.+-"

    return "".join(each if fits(at, each) else FORBIDDEN for at, each in enumerate(text))


def check_free(folder: Path, name: str) -> str:
    """Check the name of a new run in this folder, and return it in normal form C.

    Raises:
        UsageError: it is not a valid name.
        NameTakenError: something in the folder has the name, or one that is the same name on some
            operating systems.
    """
    name = check_name(name)
    for other in names_in(folder):
        if alike(other) == alike(name):
            raise NameTakenError(folder / other)
    return name


def alike(name: str) -> str:
    """A key that is equal for names that some operating system does not tell apart."""
    return composed(composed(name).casefold())


def names_in(folder: Path) -> list[str]:
    """Names of everything in the runs folder, whether a run or not."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def free_names(folder: Path, stem: str) -> Iterator[str]:
    """Those of `stem-1`, `stem-2`, … that are free, with the stem turned into a valid name."""
    stem = re.sub(f"{FORBIDDEN}+", "-", replace_forbidden(composed(stem)))
    # Leave room for the number.
    stem = os.fsencode(stem.lstrip("-_.+"))[: LONGEST_NAME - 10].decode("utf-8", "ignore")
    stem = stem.rstrip("-_.+" + JOINERS)
    if not stem[:1].isalnum() or is_device(f"{stem}-1"):
        stem = f"run-{stem}".rstrip("-")
    taken = set(map(alike, names_in(folder)))
    for number in count(1):
        name = f"{stem}-{number}"
        if alike(name) not in taken:
            yield name
