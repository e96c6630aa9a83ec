"""Reading files that strangers may have made: regular files, of a size that is looked at first."""

import stat
import sys
from collections.abc import Callable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from charlm.errors import RunError
from charlm.files.strict_json import loads
from charlm.files.whole import Arrays

COPY_AGAIN = "Copy the run again from where it came, or delete it."
# Bytes of the largest file of text that is read whole: JSON, or rows of it.
LARGEST_TEXT = 128 << 20
# Bytes of the header of a safetensors file, which names its arrays: 100 or so for each.
LARGEST_HEADER = 8 << 20
MOST_DIMENSIONS, LARGEST_SIZE = 8, 1 << 48
# NumPy types, by their names in safetensors files; bfloat16, which NumPy lacks, is read as bits.
NUMBERS = {
    "BF16": "<u2",
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


class RefusedFileError(OSError):
    """A file that is not read, though it could be: too large, or no regular file."""

    def __init__(self, problem: str) -> None:
        super().__init__(None, problem)


def open_regular(path: Path, most: int) -> tuple[BufferedReader, int]:
    """Open a file that is a regular one, which a pipe or a device is not.

    Args:
        most: bytes that it may have.

    Returns:
        The open file, and its size in bytes.

    Raises:
        RefusedFileError: it is none, or is larger.
        OSError: it cannot be opened.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "is a folder" if stat.S_ISDIR(found.st_mode) else "is no regular file"
        raise RefusedFileError(kind)
    if found.st_size > most:
        raise RefusedFileError(f"has {found.st_size:,} bytes, and at most {most:,} are read")
    return path.open("rb"), found.st_size


def content_of(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The content of a regular file of so many bytes at most.

    Raises:
        RefusedFileError: it is no regular file, or larger.
        OSError: it cannot be read.
    """
    file, size = open_regular(path, most)
    with file:
        return file.read(size)  # no more, whoever writes to it meanwhile


def read(path: Path, most: int = LARGEST_TEXT) -> str:
    """Read a UTF-8 file; raises RunError if it is missing, damaged or larger than `most` bytes."""
    try:
        return content_of(path, most).decode("utf-8", "surrogatepass")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> RunError:
    """The error for a file of a run that cannot be read, as a sentence."""
    if isinstance(error, FileNotFoundError):
        return RunError(f"'{path}' is missing.", COPY_AGAIN)
    if isinstance(error, RefusedFileError):
        return RunError(f"'{path}' {error.strerror}.", COPY_AGAIN)
    why = getattr(error, "strerror", None) or str(error)
    return RunError(f"'{path}' is damaged: {why.lower()}.", COPY_AGAIN)


Shapes = dict[str, tuple[int, ...]]


def load_arrays(
    path: Path, check: Callable[[Shapes], None] = lambda shapes: None, most: int = sys.maxsize
) -> Arrays:
    """Read the arrays that `save_arrays` wrote; bfloat16 becomes float32.

    The header is checked against the file's size before anything is allocated.

    Args:
        check: called with the shapes that the header claims, by name, before anything is read; it
            raises whatever is to be raised.
        most: bytes that the file may have.

    Raises:
        RunError: the file is missing, damaged or too large.
    """
    file = path.with_suffix(".safetensors")
    try:
        opened, size = open_regular(file, most)
        with opened:
            header = header_of(opened, size)
            check({name: shape for name, (_, shape) in header})
            return {name: array_from(opened, *about) for name, about in header}
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None


def header_of(file: BufferedReader, size: int) -> list[tuple[str, tuple[str, tuple[int, ...]]]]:
    """The arrays of a safetensors file in the order of their bytes: name, type and shape.

    The file stands at the first of these bytes then.

    Args:
        size: of the file, in bytes.

    Raises:
        ValueError: the header is not one, or the arrays that it claims do not fill the file
            exactly, one behind the other.
    """
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(LARGEST_HEADER, size - 8):
        raise ValueError("its header is too long, or cut off")
    header = loads(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    header.pop("__metadata__", None)
    entries = sorted((*entry_of(name, each), name) for name, each in header.items())
    at = 0
    for (start, stop), dtype, shape, name in entries:
        needed = np.dtype(NUMBERS[dtype]).itemsize
        for each in shape:
            needed *= each
        if start != at or stop - start != needed:
            raise ValueError(f"{name[:60]!r} does not lie where its header says")
        at = stop
    if at != size - 8 - length:
        raise ValueError("its arrays do not fill it")
    return [(name, (dtype, shape)) for _, dtype, shape, name in entries]


def entry_of(name: str, entry: object) -> tuple[tuple[int, int], str, tuple[int, ...]]:
    """What a header says of an array: where its bytes begin and end, its type and its shape.

    Raises:
        ValueError: it says nothing of the kind.
    """
    about = entry if isinstance(entry, Mapping) else {}
    span, dtype, shape = (about.get(each) for each in ("data_offsets", "dtype", "shape"))
    if not (are_sizes(span) and len(span) == 2):
        raise ValueError(f"{name[:60]!r} has no offsets")
    if not (isinstance(dtype, str) and dtype in NUMBERS):
        raise ValueError(f"{name[:60]!r} is of a type that charlm does not write")
    if not (are_sizes(shape) and len(shape) <= MOST_DIMENSIONS):
        raise ValueError(f"{name[:60]!r} has no shape")
    return (span[0], span[1]), dtype, tuple(shape)


def are_sizes(value: object) -> TypeGuard[list[int]]:
    """Whether a value is a list of whole numbers that sizes can be."""
    return isinstance(value, list) and all(
        type(each) is int and 0 <= each <= LARGEST_SIZE for each in value
    )


def array_from(file: BufferedReader, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array whose bytes come next in a file; ValueError if the file ends before it."""
    array = np.empty(shape, np.dtype(NUMBERS[dtype]))
    # A view of no bytes cannot be cast.
    if array.nbytes and file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise ValueError("it is cut off")
    if dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
