"""Run the command line within the test's own process, as `charlm ARGUMENTS` would."""

import io
import json
import signal
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from charlm.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def charlm(*arguments: str, stdin: str = "") -> Result:
    """Run one command; a traceback raises here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    handler = signal.getsignal(signal.SIGINT)
    code = 0
    with patch.multiple(sys, stdin=given, stdout=out, stderr=err):
        try:
            main(list(arguments))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
        finally:
            signal.signal(signal.SIGINT, handler)
        for stream in (out, err):
            stream.flush()
    return Result(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]
