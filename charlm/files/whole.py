"""Files and folders that appear under their name only once they are complete and on disk."""

import errno
import glob
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import RunError
from charlm.files import disk

# Windows neither renames nor removes a file that is open, or a folder with one in it. Readers of
# charlm's files are quick, and so are virus scanners.
MOVES_OPEN_FILES = sys.platform != "win32"
PATIENCE = 2.0  # seconds
Arrays = dict[str, npt.NDArray[Any]]
# Names and contents, each made once the one before it is written.
Files = Iterable[tuple[str, bytes]]


class WritingError(RunError):
    """Something could not be written."""


@contextmanager
def writing(path: Path, advice: str) -> Iterator[None]:
    """Turn an OSError within the block into a WritingError.

    Args:
        advice: what the error tells the user to do.
    """
    try:
        yield
    except OSError as error:
        raise WritingError(
            f"Cannot write to '{path}': {(error.strerror or str(error)).lower()}.",
            advice,
        ) from None


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically: if that fails, an older file stays as it is."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    draft = disk.draft_name(path)
    try:
        disk.write_new(draft, data)
        patiently(lambda: disk.replace(draft, path))
    except BaseException:
        disk.remove_tree(draft)
        raise
    disk.sync_folder(path.parent)


def patiently(rename: Callable[[], object]) -> None:
    """Rename something; where that fails while another process reads it, wait for its end."""
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            rename()
            return
        except PermissionError:
            if MOVES_OPEN_FILES or time.monotonic() >= limit:
                raise
        time.sleep(0.02)


def create_folder(path: Path, files: Files) -> None:
    """Create a folder atomically, with these files.

    Raises:
        FileExistsError: `path` exists; it stays as it is.
    """
    with draft_of(path, files) as draft:
        try:
            # This replaces nothing but an empty folder.
            patiently(lambda: disk.rename(draft, path))
        except OSError:
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            raise
    disk.sync_folder(path.parent)


def replace_folder(path: Path, files: Files) -> None:
    """Replace the folder at `path`, if any, by one with these files.

    The old folder is renamed to `.<name>.old` until the new one is in place, so that after a crash
    `whole_folder` finds one of the two. No other process may write there at the same time.
    """
    remove_drafts(path)
    old = old_folder(path)
    with draft_of(path, files) as draft:
        try:
            if path.exists():
                # If both exist, an earlier replacement was cut off before it removed the old one.
                disk.remove_tree(old)
                patiently(lambda: disk.rename(path, old))
            patiently(lambda: disk.rename(draft, path))
        except BaseException:
            if not path.exists() and old.exists():
                disk.rename(old, path)
            raise
    # If files went from the old folder before both names were on the disk, a crash of the system
    # could leave the old name, with nothing in it.
    disk.sync_folder(path.parent)
    disk.remove_tree(old)


@contextmanager
def draft_of(path: Path, files: Files) -> Iterator[Path]:
    """Yield a folder beside `path` with these files, to be renamed; removed if anything fails."""
    draft = disk.make_draft(path)
    try:
        for name, content in files:
            disk.write_new(draft / name, content)
        disk.sync_folder(draft)
        yield draft
    except BaseException:
        disk.remove_tree(draft)
        raise


def remove_drafts(path: Path) -> None:
    """Remove unfinished files and folders that killed processes left beside `path`.

    No other process may write there at the same time.
    """
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.draft*"):
        disk.remove_tree(abandoned)


def finish_in(folder: Path) -> None:
    """Finish what killed processes began in a folder, or undo it: nothing unfinished stays.

    No other process may write there at the same time.

    Raises:
        OSError: it cannot be written.
    """
    for draft in folder.glob(".*.draft*"):
        disk.remove_tree(draft)
    for old in folder.glob(".*.old"):
        path = folder / old.name.removeprefix(".").removesuffix(".old")
        if path.exists():
            disk.remove_tree(old)
        else:
            patiently(lambda old=old, path=path: disk.rename(old, path))  # type: ignore[misc]


def remove_folder(path: Path) -> None:
    """Remove a folder with all its contents, without ever leaving half of it at `path`.

    No other process may write there at the same time.

    Raises:
        OSError: part of it is write-protected; nothing was removed.
    """
    for folder in (path, *(each for each in path.rglob("*") if each.is_dir())):
        if not folder.is_symlink() and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    remove_drafts(path)
    draft = path.parent / f".{path.name}.draft-removed"
    patiently(lambda: disk.rename(path, draft))
    disk.sync_folder(path.parent)
    shutil.rmtree(draft)


def old_folder(path: Path) -> Path:
    """Where `replace_folder` keeps the old folder until the new one is in place."""
    return path.parent / f".{path.name}.old"


def whole_folder(path: Path) -> Path | None:
    """The folder at `path`, else the one it was about to replace, else None."""
    return next((each for each in (path, old_folder(path)) if each.exists()), None)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays to a safetensors file, at `path` with that suffix."""
    write(path.with_suffix(".safetensors"), safetensors_content(arrays, {}))


def safetensors_content(arrays: Arrays, metadata: Mapping[str, str]) -> bytes:
    """Arrays as a safetensors file, which torch's users can read.

    Args:
        metadata: what the file says besides.
    """
    from safetensors.numpy import save

    contiguous = {name: np.asarray(each, order="C") for name, each in arrays.items()}
    return bytes(save(contiguous, metadata={"format": "pt", **metadata}))
