"""Pictures as files, which `charlm plot` and `charlm train --plot` write."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from charlm.errors import UsageError
from charlm.files.paths import expanded
from charlm.files.whole import writing

if TYPE_CHECKING:
    from charlm.inspection.curves import TrainingCurves

ANOTHER_FILE = "Name a file in a folder that is there and can be written to."


def checked(path: Path) -> Path:
    """A picture's file, which can be written there.

    Raises:
        UsageError: no picture has this ending.
        RunError: there is no such folder, or nothing can be written to it.
    """
    from charlm.plots.style import form_of

    path = expanded(path)
    form_of(path)
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder.", "Name a file.")
    with writing(path, ANOTHER_FILE), tempfile.TemporaryFile(dir=path.parent):
        return path


def save(curves: "TrainingCurves", path: Path, theme: str = "light") -> None:
    """Write a picture of the curves.

    Raises:
        RunError: the file cannot be written.
    """
    from charlm.plots import style
    from charlm.plots.curves import draw_training, inches_for

    with writing(path, ANOTHER_FILE):
        style.save(partial(draw_training, curves=curves), path, theme, inches_for(curves))
