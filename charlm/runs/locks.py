"""Locks that give a run one writer at a time. Readers take none.

A process that makes, trains or deletes a run locks the file `.<name>.lock` beside the run's folder.
The operating system releases the lock when the process ends, however it ends. The file is removed
on release; if a killed process leaves it behind, it is not locked and means nothing.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from charlm.errors import RunError
from charlm.files.whole import MOVES_OPEN_FILES, remove_drafts
from charlm.runs.names import NameTakenError, free_names

T = TypeVar("T")
PATIENCE = 1.0  # seconds; `is_locked` takes a lock for less than that

if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock an open file, unless another has; OSError if the file system has no locks."""
        # On Windows a locked byte cannot be read either, so lock one beyond the contents.
        os.lseek(handle, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            # What is written to the file begins at its beginning.
            os.lseek(handle, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock an open file, unless another has; OSError if the file system has no locks."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class RunInUseError(RunError):
    """Another process makes, trains or deletes a run."""

    def __init__(self, path: Path) -> None:
        owner = "another process"
        with suppress(OSError, ValueError):
            owner = lock_file(path).read_text("utf-8") or owner
        super().__init__(
            f"The run '{path.name}' is in use by {owner}, which trains it.",
            "Wait for its end, or stop it.",
        )


class RunLock:
    """The lock of a run's name, held until `release` or the end of a `with` block.

    Args:
        handle: descriptor of the open file; None if it could not be opened.
        problem: a sentence that says why nothing is locked; empty if all is well.
    """

    def __init__(self, file: Path, handle: int | None, problem: str = "") -> None:
        self.file = file
        self.handle = handle
        self.problem = problem

    @classmethod
    def take(cls, path: Path, patience: float = PATIENCE) -> Self:
        """Lock the run at `path`, which need not exist yet.

        If the file cannot be locked at all, return a lock in name only, with a `problem`.

        Args:
            patience: seconds to keep trying.

        Raises:
            RunInUseError: another process holds the lock.
        """
        file = lock_file(path)
        limit = time.monotonic() + patience
        handle = None
        while True:
            try:
                handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
                if try_lock(handle) and is_open_at(handle, file):
                    os.ftruncate(handle, 0)
                    os.write(handle, f"process {os.getpid()} on {platform.node()}".encode())
                    return cls(file, handle)
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                return cls(
                    file,
                    handle,
                    f"'{file}' cannot be locked ({why}): see to it that nothing else trains the "
                    f"run '{path.name}'.",
                )
            # Another process holds it, or its last owner removed the file after it was opened.
            os.close(handle)
            handle = None
            if time.monotonic() >= limit:
                raise RunInUseError(path)
            time.sleep(0.02)

    def release(self) -> None:
        """Give up the lock and remove its file."""
        if self.handle is None:
            return
        handle, self.handle = self.handle, None
        # Once unlocked, the file may be another's.
        if MOVES_OPEN_FILES:
            self._remove()
        os.close(handle)
        if not MOVES_OPEN_FILES:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self.file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def lock_file(path: Path) -> Path:
    """The file that is locked for a run; the same for all symbolic links to it."""
    real = path.resolve()
    return real.parent / f".{real.name}.lock"


def is_open_at(handle: int, file: Path) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool | None:
    """Whether a process makes, trains or deletes the run at `path`; None if it cannot be told."""
    try:
        handle = os.open(lock_file(path), os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        return not try_lock(handle)
    except OSError:
        return None
    finally:
        os.close(handle)


def make_run(
    folder: Path, name: str | None, stem: str, make: Callable[[str], T]
) -> tuple[T, RunLock]:
    """Make a run under a name that is free, and lock it.

    Args:
        folder: folder of the runs.
        name: name of the run; None takes the first of `stem-1`, `stem-2`, … that is free.
        make: makes the run of a given name; raises NameTakenError if the name is taken.

    Returns:
        What `make` returned, and the lock.

    Raises:
        NameTakenError: `name` is taken.
    """
    path = folder
    for each in free_names(folder, stem) if name is None else [name]:
        path = folder / each
        try:
            lock = RunLock.take(path, PATIENCE if each == name else 0)
        except RunInUseError:
            continue
        try:
            return make(each), lock
        except BaseException as error:
            lock.release()
            if not isinstance(error, NameTakenError):
                raise
    raise NameTakenError(path)


def remove_abandoned(folder: Path) -> None:
    """Remove drafts and lock files that killed processes left behind."""
    for file in folder.glob(".*.lock"):
        path = folder / file.name.removeprefix(".").removesuffix(".lock")
        with suppress(RunInUseError), RunLock.take(path, patience=0) as lock:
            if not lock.problem:
                remove_drafts(path)
