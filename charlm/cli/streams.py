"""Standard streams that may be closed, full, or a pipe that nobody reads any more."""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from charlm.errors import CharlmError

STANDARD = (0, 1, 2)
# How Windows fails to write to a pipe that nobody reads any more.
CLOSED_PIPE = (errno.EINVAL,) if os.name == "nt" else ()


class OutputError(CharlmError):
    """A result could not be written."""


class Output(io.BufferedIOBase):
    """An unbuffered binary stream for standard output or standard error.

    For standard output a failed write is an error, except that the program ends quietly when the
    reader of a pipe has closed it. For standard error, text that cannot be written is dropped.

    Args:
        stream: the stream to write to; None if it was closed before the program began.
        name: the name of standard output in messages; empty for standard error.

    Attributes:
        dropped: whether text was lost to a failed write; a closed pipe does not count.
    """

    def __init__(self, stream: IO[bytes] | None, name: str = "") -> None:
        # Python's own buffer is left out: it would try to write again at exit.
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
        except OSError as error:
            if isinstance(error, BrokenPipeError) or error.errno in CLOSED_PIPE:
                self.problem = "nobody reads it any more"
                if self.name:
                    raise SystemExit(0) from None
            else:
                self.problem = (error.strerror or str(error)).lower()
                self.dropped = True
        if self.problem and self.name:
            raise OutputError(f"Cannot write to {self.name}: {self.problem}.")
        return len(data)

    def _write_some(self, data: memoryview) -> int:
        assert self.target is not None
        written = self.target.write(data)
        if written is None:
            # Another process has made the terminal or pipe non-blocking; wait for room.
            select.select([], [self.target], [])
            return 0
        return int(written)


@contextmanager
def standard_streams() -> Iterator[Output]:
    """Replace sys.stdout and sys.stderr by `Output` within the block; yield that of standard error.

    Text is written as UTF-8, whatever the locale.
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
    """Open the null device in place of closed streams, so that no later file gets their number."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # This takes the lowest free number, which is that of the closed stream.
            os.open(os.devnull, os.O_RDWR)
