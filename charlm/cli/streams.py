"""The standard streams as a program finds them: closed, full, or a pipe that nobody reads."""

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from charlm.errors import CharlmError

STANDARD = (0, 1, 2)


class OutputError(CharlmError):
    """A result that cannot be written."""


class Output(io.BufferedIOBase):
    """Where standard output and standard error end; nothing waits in it.

    Args:
        stream: the one to write to; None where it was closed before the program began.
        name: of standard output, of which nothing may be lost: what cannot be written is an error,
            and whoever closes a pipe has seen enough. Without a name it is standard error, which no
            work stops for: what cannot be written is dropped.

    Attributes:
        dropped: something was lost that somebody wanted to see.
    """

    def __init__(self, stream: IO[bytes] | None, name: str = "") -> None:
        # Without a buffer of Python's in between, which would be tried again at the exit.
        self.target = getattr(stream, "raw", stream)
        self.name = name
        self.problem = "it is closed" if stream is None else ""
        self.dropped = False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.target is not None and self.target.isatty()

    def fileno(self) -> int:
        if self.target is None:
            raise io.UnsupportedOperation("fileno")
        return int(self.target.fileno())

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        left = memoryview(data)
        try:
            while left and not self.problem:
                left = left[self._write_some(left) :]
        except BrokenPipeError:
            self.problem = "nobody reads it any more"
            if self.name:
                raise SystemExit(0) from None
        except OSError as error:
            self.problem = (error.strerror or str(error)).lower()
            self.dropped = True
        if self.problem and self.name:
            raise OutputError(f"Cannot write to {self.name}: {self.problem}.")
        return len(data)

    def _write_some(self, data: memoryview) -> int:
        assert self.target is not None
        written = self.target.write(data)
        if written is None:
            # Another process has made the terminal, or the pipe, one that does not wait.
            select.select([], [self.target], [])
            return 0
        return int(written)


@contextmanager
def standard_streams() -> Iterator[Output]:
    """Within the block every writer of the process meets such outputs; yields standard error's.

    Text goes out as UTF-8, whatever the locale calls itself.
    """
    fill_closed_streams()
    before = sys.stdout, sys.stderr
    buffers = [None if stream is None else stream.buffer for stream in before]
    out, err = Output(buffers[0], "standard output"), Output(buffers[1])
    sys.stdout = io.TextIOWrapper(out, "utf-8", "surrogateescape", "\n")
    sys.stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace", "\n", line_buffering=True)
    try:
        yield err
    finally:
        sys.stdout, sys.stderr = before


def fill_closed_streams() -> None:
    """Put nothing in the place of closed streams, where a file opened later would take it."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
