"""Links in a run's folder, which must not lead out of it."""

import os
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import RunError


def check_links(run: Path) -> None:
    """Raise RunError if a file or folder of a run is a link to somewhere else.

    What such a link leads to would be read as a part of the run, or written to when the run goes
    on. The run's own folder may be a link, which its user has made.
    """
    root = run.resolve()
    for link in links_in(run):
        try:
            target = link.resolve()
        except (OSError, RuntimeError):  # a loop; Python from 3.13 on does not mind it
            raise RunError(f"'{link}' is a link that leads nowhere.", "Delete it.") from None
        if not target.is_relative_to(root):
            raise RunError(
                f"'{link}' is a link that leads out of the run, to '{target}'.",
                "If it is yours, put a copy of that in its place.",
            )


def links_in(folder: Path, deeper: bool = True) -> Iterator[Path]:
    """The links in a folder, and in the folders in it."""
    try:
        entries = list(os.scandir(folder))
    except OSError:  # whoever reads there says why it cannot be read
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink() or is_junction(path):
            yield path
        elif deeper and entry.is_dir(follow_symlinks=False):
            yield from links_in(path, deeper=False)


def is_junction(path: Path) -> bool:
    """Whether a path is what Windows has in place of links to folders."""
    found = getattr(os.path, "isjunction", None)  # since Python 3.12
    return bool(found and found(path))
