"""Stand-ins for libraries that trainings are logged to, which note what they are asked."""

import math
from collections.abc import Mapping

from charlm.loggers.logger import Logger
from charlm.loggers.values import LoggedRun


class Noting(Logger):
    """Notes all that it is asked.

    Args:
        fails: the method that raises, if any.
    """

    name = library = "noting"

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.fails = fails
        self.runs: list[LoggedRun] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.texts: list[tuple[int, str]] = []
        self.finished: list[str] = []

    def start(self, run: LoggedRun) -> str:
        self._fail("start")
        self.runs.append(run)
        return "Look there."

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._fail("log")
        assert values
        assert all(isinstance(each, float) and math.isfinite(each) for each in values.values())
        self.logged.append((step, dict(values)))

    def show(self, text: str, step: int) -> None:
        self._fail("show")
        self.texts.append((step, text))

    def finish(self, status: str) -> None:
        self.finished.append(status)
        self._fail("finish")

    def _fail(self, method: str) -> None:
        if self.fails == method:
            print("a library's own words")
            raise ConnectionError(f"no route\n  to host, {'far ' * 100}")

    def history(self, name: str) -> list[tuple[int, float]]:
        """Steps and values of a metric."""
        return [(step, values[name]) for step, values in self.logged if name in values]
