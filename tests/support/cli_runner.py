"""Run the command line within the test's own process, as `charlm ARGUMENTS` would."""

import io
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import patch

from charlm.cli import main
from charlm.cli.stopping import ENDING, heeded


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal(io.BytesIO):
    """What calls itself a terminal, and keeps what is written to it."""

    def isatty(self) -> bool:
        return True


def charlm(
    *arguments: str,
    stdin: str | None = "",
    columns: int | None = None,
    term: str = "dumb",
    out: io.BytesIO | Literal["pipe"] | None = "pipe",
    err: Literal["pipe"] | None = "pipe",
) -> Result:
    """Run one command; a traceback raises here.

    Args:
        stdin: what it can read; None: standard input is closed.
        columns: the output goes to a terminal of this width; None: to a pipe.
        term: what kind of terminal.
        out, err: another standard output or error; None: it is closed.
    """
    kind = io.BytesIO if columns is None else Terminal
    kept = kind() if out == "pipe" else out, kind() if err == "pipe" else err
    streams = [each and io.TextIOWrapper(each, encoding="utf-8") for each in kept]
    given = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    handlers = {each: signal.getsignal(each) for each in heeded(ENDING)}
    width = {} if columns is None else {"COLUMNS": str(columns), "TERM": term}
    code = 0
    with (
        patch.dict(os.environ, width),
        patch.multiple(sys, stdin=given, stdout=streams[0], stderr=streams[1]),
    ):
        try:
            main(list(arguments))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
    # What is no UTF-8 is kept, as in Python's names of files.
    texts = (each and each.getvalue().decode("utf-8", "surrogateescape") for each in kept)
    return Result(code, *(each or "" for each in texts))
