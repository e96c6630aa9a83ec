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

COPY_AGAIN = "Copy the run again from where it came, or delete it."
# Windows neither renames nor removes a file that is open, or a folder with one in it. Readers of
# charlm's files are quick, and so are virus scanners.
MOVES_OPEN_FILES = sys.platform != "win32"
PATIENCE = 2.0  # seconds
Arrays = dict[str, npt.NDArray[Any]]
# Names and contents, each made once the one before it is written.
Files = Iterable[tuple[str, bytes]]
# NumPy types, by their names in safetensors files.
NUMBERS = {
    "BOOL": "?",
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


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


def read(path: Path) -> str:
    """Read a UTF-8 file; raises RunError if it is missing or damaged."""
    try:
        return path.read_bytes().decode("utf-8", "surrogatepass")
    except (OSError, UnicodeDecodeError) as error:
        problem = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
        raise RunError(f"'{path}' {problem}.", COPY_AGAIN) from None


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


def array_from(tensor: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Convert an entry of `safetensors.deserialize` to an array; bfloat16 becomes float32.

    Raises:
        KeyError: its type is not in NUMBERS.
    """
    data, dtype = tensor["data"], tensor["dtype"]
    if dtype == "BF16":
        array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        array = np.frombuffer(data, NUMBERS[dtype])
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array.reshape(tensor["shape"])


def load_arrays(path: Path) -> Arrays:
    """Read the arrays that `save_arrays` wrote; bfloat16, which NumPy lacks, becomes float32.

    Raises:
        RunError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, deserialize

    file = path.with_suffix(".safetensors")
    try:
        tensors: Any = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]
        return {name: array_from(tensor) for name, tensor in tensors}
    except FileNotFoundError:
        problem = "is missing"
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        problem = f"is damaged ({error})"
    raise RunError(f"'{file}' {problem}.", COPY_AGAIN)
