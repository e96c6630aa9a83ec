"""Files and folders that appear under their name only once they are whole and on the disk."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import RunError

COPY_AGAIN = "Copy the run again from where it came, or delete it."
Arrays = dict[str, npt.NDArray[Any]]


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


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Put a folder that `fill` fills in the place of `path`.

    The old one is called `.<name>.old` until the new one has its place, so that `whole_folder`
    finds one of them whenever the machine stops. There must be no other writer.
    """
    for abandoned in path.parent.glob(f".{path.name}.draft*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.draft"))
    old = old_folder(path)
    try:
        draft.chmod(0o755)
        fill(draft)
        if path.exists():
            # If both are there, a machine stopped before the older one was removed.
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if not path.exists() and old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def old_folder(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def whole_folder(path: Path) -> Path | None:
    """The folder, or the one that it is about to replace, or None if there is neither."""
    return next((each for each in (path, old_folder(path)) if each.exists()), None)


def save_arrays(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save

    whole = {name: np.asarray(each, order="C") for name, each in arrays.items()}
    write(path.with_suffix(".safetensors"), save(whole, metadata={"format": "pt"}))


def load_arrays(path: Path) -> Arrays:
    """Arrays from a safetensors file.

    Raises:
        RunError: it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = path.with_suffix(".safetensors")
    try:
        return dict(load(file.read_bytes()))
    except FileNotFoundError:
        problem = "is missing"
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        problem = f"is damaged ({error})"
    raise RunError(f"'{file}' {problem}.", COPY_AGAIN)
