"""Files that the user names for a command to write."""

from pathlib import Path

from charlm.errors import CharlmError
from charlm.files.whole import write


def write_output(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Write a file, whole or not at all.

    Args:
        option: with which the user names another file.

    Raises:
        CharlmError: it cannot be written.
    """
    try:
        write(path, content)
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise CharlmError(
            f"Cannot write '{path}': {problem}.", f"Name another file with {option}."
        ) from None
