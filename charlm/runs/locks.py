"""Locks that give a run one writer at a time. Readers take none.

A process that makes, trains or deletes a run locks the file `.<name>.lock` beside the run's folder,
with filelock's lock of the operating system, which is released when the process ends, however it
ends. The file is removed on release; if a killed process leaves it behind, it is not locked, and
says only who that was.
"""

import errno
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from charlm.errors import RunError
from charlm.files.whole import MOVES_OPEN_FILES, remove_drafts
from charlm.runs.names import NameTakenError, free_names

if TYPE_CHECKING:
    from filelock import BaseFileLock

T = TypeVar("T")
PATIENCE = 1.0  # seconds; `is_locked` takes a lock for less than that
# Windows locks the first byte, which then nobody else can read: what there is to say comes after.
SAID_FROM, SAID_BYTES = 1, 120


class RunInUseError(RunError):
    """Another process makes, trains or deletes a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The run '{path.name}' is in use by {owner_of(lock_file(path)) or 'another process'}, "
            "which trains it.",
            "Wait for its end, or stop it.",
        )


class RunLock:
    """The lock of a run's name, held until `release` or the end of a `with` block.

    Args:
        lock: what is held; None if nothing could be locked.
        problem: a sentence that says why the run may have another writer; empty if all is well.
    """

    def __init__(self, file: Path, lock: "BaseFileLock | None", problem: str = "") -> None:
        self.file = file
        self.lock = lock
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
        before = owner_of(file)
        try:
            lock = acquired(file, patience)
        except (OSError, NotImplementedError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            return cls(
                file,
                None,
                f"'{file}' cannot be locked ({why}): see to it that nothing else trains the run "
                f"'{path.name}'.",
            )
        if lock is None:
            raise RunInUseError(path)
        say(file, f"process {os.getpid()} on {platform.node()}")
        problem = ""
        if is_elsewhere(before):
            problem = f"The lock of '{path.name}' was left by {before}: see to it that it is gone."
        return cls(file, lock, problem)

    def release(self) -> None:
        """Give up the lock and remove its file."""
        if self.lock is None:
            return
        lock, self.lock = self.lock, None
        # Once unlocked, the file may be another's.
        if MOVES_OPEN_FILES:
            self._remove()
        lock.release()
        if not MOVES_OPEN_FILES:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError, MemoryError):
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


def acquired(file: Path, patience: float) -> "BaseFileLock | None":
    """The lock of a file, held; None if another process has held it for so many seconds.

    Raises:
        OSError, NotImplementedError: it cannot be locked.
    """
    # Not before it is needed: it takes as long to import as all else that lists runs.
    from filelock import FileLock, Timeout

    if not file.parent.is_dir():  # which filelock would make
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    # Where the system has no locks, filelock can make do with the file's being there. No: a killed
    # process would leave that behind.
    lock = FileLock(file, thread_local=False, poll_interval=0.02, fallback_to_soft=False)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    return lock


def owner_of(file: Path) -> str:
    """Who took the lock last, such as "process 12 on host"; "" if nobody says."""
    with suppress(OSError, ValueError), file.open("rb", buffering=0) as opened:
        opened.seek(SAID_FROM)
        return opened.read(SAID_BYTES).decode().strip()
    return ""


def say(file: Path, owner: str) -> None:
    """Write down who has the lock, or had it."""
    with suppress(OSError), file.open("r+b", buffering=0) as opened:
        opened.seek(SAID_FROM)
        opened.write(owner.encode().ljust(SAID_BYTES))


def is_elsewhere(owner: str) -> bool:
    """Whether a lock's owner is, or was, on another machine."""
    return bool(owner) and owner.rpartition(" on ")[2] != platform.node()


def is_locked(path: Path) -> bool | None:
    """Whether a process makes, trains or deletes the run at `path`; None if it cannot be told.

    Of a process on another machine it can be told only that it holds the lock, and not that it does
    not: some file systems of networks keep locks to the machine.
    """
    file = lock_file(path)
    owner = owner_of(file)
    if not file.exists():
        return False
    try:
        lock = acquired(file, 0)
    except (OSError, NotImplementedError):
        return None
    if lock is None:
        return True
    say(file, owner)  # some versions of filelock empty the file
    lock.release()
    return None if is_elsewhere(owner) else False


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
    left = {file.name.removesuffix(".lock") for file in folder.glob(".*.lock")}
    left |= {draft.name.rpartition(".draft")[0] for draft in folder.glob(".*.draft*")}
    for path in (folder / name.removeprefix(".") for name in left):
        if is_locked(path) is False:
            with suppress(RunInUseError), RunLock.take(path, patience=0) as lock:
                if not lock.problem:
                    remove_drafts(path)
