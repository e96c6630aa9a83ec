"""Every change that charlm makes to the disk for good, and waiting until it is there.

A crash of the system may undo whatever nobody waited for, and in another order. docs/faults.md
names what file systems promise, on which the order of these calls rests.
"""

import errno
import os
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path

BINARY = getattr(os, "O_BINARY", 0)  # or Windows translates line ends
# How file systems say that a folder cannot be synced, some of networks among them.
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def sync(handle: int) -> None:
    """Wait until an open file is on the disk, and not just in the disk's own memory."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # not every file system has it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows keeps them in order by itself."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        sync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


def make_folders(path: Path) -> None:
    """Make a folder and those above it, and wait until those that are new are on the disk."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def make_draft(path: Path) -> Path:
    """A new, empty folder beside `path`, whose name begins as `drafts_of` wants it."""
    draft = draft_name(path)
    draft.mkdir()
    return draft


def draft_name(path: Path) -> Path:
    """A free name beside `path` for what is to be renamed to it."""
    return path.parent / f".{path.name}.draft-{secrets.token_hex(4)}"


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and wait until its content is on the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
    try:
        write_all(handle, content)
        sync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, content: bytes) -> None:
    """Write all of it; one call may take less."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, and wait until it is on the disk: the whole line or nothing of it.

    What a crash has left of a line at the end goes.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o666)
    try:
        size = end_of_last_line(handle)
        os.ftruncate(handle, size)
        os.lseek(handle, size, os.SEEK_SET)
        try:
            write_all(handle, f"{line}\n".encode())
            sync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def end_of_last_line(handle: int) -> int:
    """Size of an open file without what follows its last line end."""
    size = os.lseek(handle, 0, os.SEEK_END)
    while size:
        begin = max(size - 4096, 0)
        os.lseek(handle, begin, os.SEEK_SET)
        end = os.read(handle, size - begin).rfind(b"\n") + 1
        if end:
            return begin + end
        size = begin
    return 0


def rename(path: Path, to: Path) -> None:
    """Give a file or folder another name in the same folder, where nothing has it."""
    path.rename(to)


def replace(path: Path, to: Path) -> None:
    """Give a file the name of another one, in the same folder, whose content is lost."""
    path.replace(to)


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all in it, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
