"""Files and folders that appear under their name only once they are complete and on disk."""

import errno
import glob
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import RunError

COPY_AGAIN = "Copy the run again from where it came, or delete it."
# Windows neither renames nor removes a file that is open, or a folder with one in it. Readers of
# charlm's files are quick, and so are virus scanners.
MOVES_OPEN_FILES = sys.platform != "win32"
PATIENCE = 2.0  # seconds
Arrays = dict[str, npt.NDArray[Any]]
# NumPy types, by their names in safetensors files.
NUMBERS = {
    "BOOL": "?",
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


@contextmanager
def writing(path: Path, advice: str) -> Iterator[None]:
    """Turn an OSError within the block into a RunError.

    Args:
        advice: what the error tells the user to do.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
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
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            draft.chmod(0o644)
            patiently(lambda: draft.replace(path))
        except BaseException:
            with suppress(OSError):
                file.close()  # Windows removes no open file
            draft.unlink(missing_ok=True)
            raise


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


def create_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Create a folder atomically, with what `fill` writes into it.

    Args:
        fill: called with the path of an empty folder.

    Raises:
        FileExistsError: `path` exists; it stays as it is.
    """
    with draft_of(path, fill) as draft:
        try:
            # This replaces nothing but an empty folder.
            patiently(lambda: draft.rename(path))
        except OSError:
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            raise


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Replace the folder at `path`, if any, by one with what `fill` writes into it.

    The old folder is renamed to `.<name>.old` until the new one is in place, so that after a crash
    `whole_folder` finds one of the two. No other process may write there at the same time.
    """
    remove_drafts(path)
    old = old_folder(path)
    with draft_of(path, fill) as draft:
        try:
            if path.exists():
                # If both exist, an earlier replacement was cut off before it removed the old one.
                shutil.rmtree(old, ignore_errors=True)
                patiently(lambda: path.rename(old))
            patiently(lambda: draft.rename(path))
        except BaseException:
            if not path.exists() and old.exists():
                old.rename(path)
            raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def draft_of(path: Path, fill: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a filled folder beside `path`, to be renamed; it is removed if anything fails."""
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.draft"))
    try:
        draft.chmod(0o755)
        fill(draft)
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def remove_drafts(path: Path) -> None:
    """Remove unfinished folders that killed processes left beside `path`.

    No other process may write there at the same time.
    """
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.draft*"):
        shutil.rmtree(abandoned, ignore_errors=True)


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
    patiently(lambda: path.rename(draft))
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
