"""Files that the user names for a command to write: pictures, pages, models."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from charlm.errors import UsageError
from charlm.files.paths import expanded

if TYPE_CHECKING:
    from charlm.plots.style import Draw

ANOTHER_FILE = "Name a file in a folder that is there and can be written to."


def checked(path: Path) -> Path:
    """A file that can be written, which is found out before anything is computed for it.

    Raises:
        UsageError: it is a folder.
        RunError: there is no such folder, or nothing can be written to it.
    """
    from charlm.files.whole import writing

    path = expanded(path)
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder.", "Name a file.")
    with writing(path, ANOTHER_FILE), tempfile.TemporaryFile(dir=path.parent):
        return path


def checked_new(path: Path, overwrite: bool) -> Path:
    """The same of a file that is not there yet, unless it may be overwritten.

    Raises:
        UsageError: it is there, or it is a folder.
        RunError: there is no such folder, or nothing can be written to it.
    """
    path = checked(path)
    if path.exists() and not overwrite:
        raise UsageError(
            f"'{path}' is there already.", "Name another file with --out, or give --overwrite."
        )
    return path


def checked_picture(path: Path) -> Path:
    """The same of a picture.

    Raises:
        UsageError: no picture has this ending, or it is a folder.
        RunError: there is no such folder, or nothing can be written to it.
    """
    from charlm.plots.style import form_of

    form_of(path)
    return checked(path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    from charlm.files.whole import write, writing

    with writing(path, ANOTHER_FILE):
        write(path, content)


def save_picture(
    draw: "Draw", path: Path, inches: tuple[float, float], theme: str = "light"
) -> None:
    """Draw a picture and write it, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    from charlm.files.whole import writing
    from charlm.plots import style

    with writing(path, ANOTHER_FILE):
        style.save(draw, path, theme, inches)
