"""A logger: a listener that makes numbers and texts, by step, of a session's events."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from charlm.loggers.values import (
    LoggedRun,
    evaluation_values,
    logged_run,
    progress_values,
    result_values,
)
from charlm.sessions.session import Concluded, Illustrated, Prepared, SessionEvent
from charlm.training.events import Evaluated, Progressed

# Between evaluations, numbers are handed on no more often: some libraries take 0.1 s for it.
SECONDS = 10.0


class Logger(ABC):
    """Listens to one training at a time.

    Subclasses implement `start`, `log`, `show` and `finish`, which may raise anything.

    Args:
        clock: returns the time in seconds.

    Attributes:
        name: on the command line.
        library: what is imported.
        where: once it has started, a sentence that says where to look.
        is_open: whether it has started and not yet finished.
    """

    name: ClassVar[str]
    library: ClassVar[str]

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.where = ""
        self.is_open = False

    @abstractmethod
    def start(self, run: LoggedRun) -> str:
        """Begin to log a run, or go on with it; returns the sentence `where`."""

    @abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log finite numbers, by names such as "train/learning_rate"."""

    @abstractmethod
    def show(self, text: str, step: int) -> None:
        """Log a text that the model has written."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """Write what is not yet written; `status` is that of the run's record."""

    def __call__(self, event: SessionEvent) -> None:
        """Log one event."""
        if isinstance(event, Prepared):
            self.record, self.task, self.step = event.run.record, event.task, event.step
            self.not_before = self.clock() + SECONDS
            self.where = self.start(logged_run(event))
            self.is_open = True
        elif isinstance(event, Evaluated):
            self.step = event.step
            self.log(evaluation_values(event, self.task), event.step)
        elif isinstance(event, Progressed) and self.clock() >= self.not_before:
            self.log(progress_values(event, self.task), event.step)
            self.not_before = self.clock() + SECONDS
        elif isinstance(event, Illustrated):
            self.show(event.text, self.step)
        elif isinstance(event, Concluded):
            if values := result_values(self.record.result, self.task):
                self.log(values, self.record.result["steps"])
            self.close()

    def close(self) -> None:
        """Finish, unless that is done."""
        if self.is_open:
            self.is_open = False
            self.finish(self.record.status)
