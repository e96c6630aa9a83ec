"""Python with what Windows lacks taken away, as far as that can be done on Linux.

    python tests/support/as_on_windows.py < COMMANDS

runs charlm with each of the lists of arguments in one JSON list. The last line of standard error is
the list of their exit codes.

Modules and functions of POSIX alone are gone, the C library cannot be opened without a name, and
open files cannot be renamed or removed. Libraries, that of locks among them, are imported before,
as they are made for the system that this is. `os.name` stays, since Python's own paths depend on
it.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

ABSENT = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "readline")
GONE = {
    os: "fork forkpty sysconf sched_getaffinity geteuid getuid getgid killpg setsid mkfifo openpty "
    "getloadavg pread pwrite sched_yield statvfs uname wait4 chown",
    signal: "SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGQUIT SIGALRM SIGCHLD SIGPIPE alarm setitimer pause",
}
LIBRARIES = (
    *("subprocess", "numba", "llvmlite.binding", "torch", "rich.console", "typer"),
    *("matplotlib.pyplot", "pooch", "jinja2", "filelock"),
)


class Absent(MetaPathFinder):
    """Finds no module of POSIX alone."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return None


def check_closed(*paths: Any) -> None:
    """Raise PermissionError if this process has a file open, or one in a folder."""
    for path in paths:
        wanted = Path(os.fsdecode(path)).absolute()
        for link in Path("/proc/self/fd").iterdir():
            try:
                target = link.readlink()
            except OSError:
                continue
            if target == wanted or target.is_relative_to(wanted):
                raise PermissionError(13, "The process cannot access the file", str(path))


def hold_open_files() -> None:
    """Keep open files, and folders with one, from being renamed or removed."""
    posix_rename, posix_replace, posix_unlink = os.rename, os.replace, os.unlink

    def rename(source: Any, target: Any) -> None:
        check_closed(source)
        if os.path.lexists(target):
            raise FileExistsError(17, "Cannot create a file when that file already exists")
        posix_rename(source, target)

    def replace(source: Any, target: Any) -> None:
        check_closed(source, target)
        posix_replace(source, target)

    def unlink(path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is None:
            check_closed(path)
        posix_unlink(path, dir_fd=dir_fd)

    for name, function in {"rename": rename, "replace": replace, "unlink": unlink}.items():
        setattr(os, name, function)
    os.remove = unlink


def take_away() -> None:
    """Take away what Windows lacks."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in ABSENT:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Absent())
    for module, names in GONE.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    library = ctypes.CDLL

    def named(name: Any, *arguments: Any, **options: Any) -> Any:
        if name is None:
            raise TypeError("bad argument type for built-in operation")
        return library(name, *arguments, **options)

    setattr(ctypes, "CDLL", named)  # noqa: B010 (a type, to type checkers)
    hold_open_files()
    # It asks while it is imported which system this is.
    system, sys.platform = sys.platform, "win32"
    try:
        importlib.import_module("charlm.files.whole")
    finally:
        sys.platform = system


def code_of(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    from charlm.cli import main

    try:
        main(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


if __name__ == "__main__":
    commands = json.loads(sys.stdin.read())
    take_away()
    print(json.dumps([code_of(each) for each in commands]), file=sys.stderr)
