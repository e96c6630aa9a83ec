"""Files and folders that appear under their name only once they are whole and on the disk."""

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import RunError

COPY_AGAIN = "Copy the run again from where it came, or delete it."
Arrays = dict[str, npt.NDArray[Any]]
# Types of tensors in safetensors files, by their names there.
NUMBERS = {
    "BOOL": "?",
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


@contextmanager
def writing(path: Path, advice: str) -> Iterator[None]:
    """Turn what the system says about what cannot be written into one sentence.

    Args:
        advice: what to do about it.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
            f"Cannot write to '{path}': {(error.strerror or str(error)).lower()}.",
            advice,
        ) from None


def read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogatepass")
    except (OSError, UnicodeDecodeError) as error:
        problem = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
        raise RunError(f"'{path}' {problem}.", COPY_AGAIN) from None


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file, or nothing."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            draft.chmod(0o644)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def create_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Put a folder that `fill` fills where there is none.

    Raises:
        FileExistsError: something is there; it stays as it is.
    """
    with draft_of(path, fill) as draft:
        try:
            # Only an empty folder would give way to another.
            draft.rename(path)
        except OSError:
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            raise


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Put a folder that `fill` fills in the place of `path`.

    The old one is called `.<name>.old` until the new one has its place, so that `whole_folder`
    finds one of them whenever the machine stops. There must be no other writer.
    """
    remove_drafts(path)
    old = old_folder(path)
    with draft_of(path, fill) as draft:
        try:
            if path.exists():
                # If both are there, a machine stopped before the older one was removed.
                shutil.rmtree(old, ignore_errors=True)
                path.rename(old)
            draft.rename(path)
        except BaseException:
            if not path.exists() and old.exists():
                old.rename(path)
            raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def draft_of(path: Path, fill: Callable[[Path], None]) -> Iterator[Path]:
    """A filled folder beside `path`, to be renamed; it does not outlive what goes wrong."""
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.draft"))
    try:
        draft.chmod(0o755)
        fill(draft)
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def remove_drafts(path: Path) -> None:
    """Remove what was abandoned on its way to `path`. There must be no other writer."""
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.draft*"):
        shutil.rmtree(abandoned, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it, of which no half is ever left in its place.

    There must be no other writer.

    Raises:
        OSError: not all of it can be removed, and none of it was.
    """
    for folder in (path, *(each for each in path.rglob("*") if each.is_dir())):
        if not folder.is_symlink() and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    remove_drafts(path)
    draft = path.parent / f".{path.name}.draft-removed"
    path.rename(draft)
    shutil.rmtree(draft)


def old_folder(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def whole_folder(path: Path) -> Path | None:
    """The folder, or the one that it is about to replace, or None if there is neither."""
    return next((each for each in (path, old_folder(path)) if each.exists()), None)


def save_arrays(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save

    whole = {name: np.asarray(each, order="C") for name, each in arrays.items()}
    write(path.with_suffix(".safetensors"), save(whole, metadata={"format": "pt"}))


def array_from(about: Mapping[str, Any]) -> npt.NDArray[Any]:
    """A tensor as safetensors describes it; KeyError where charlm does not know its type."""
    data, kind = about["data"], about["dtype"]
    if kind == "BF16":
        numbers = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        numbers = np.frombuffer(data, NUMBERS[kind])
        numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return numbers.reshape(about["shape"])


def load_arrays(path: Path) -> Arrays:
    """Arrays from a safetensors file; bfloat16, which NumPy lacks, as float32.

    Raises:
        RunError: it is missing or damaged.
    """
    from safetensors import SafetensorError, deserialize

    file = path.with_suffix(".safetensors")
    try:
        tensors: Any = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]
        return {name: array_from(about) for name, about in tensors}
    except FileNotFoundError:
        problem = "is missing"
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        problem = f"is damaged ({error})"
    raise RunError(f"'{file}' {problem}.", COPY_AGAIN)
