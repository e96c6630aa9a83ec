"""Loggers beside another listener, such that none of them can end a training."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO

from charlm.loggers.logger import Logger
from charlm.sessions.session import Listener, Notice, Prepared, SessionEvent

MOST = 200  # characters of an error that are shown


@contextmanager
def attached(loggers: Sequence[Logger], listener: Listener) -> Iterator[Listener]:
    """A listener that hands each event on to `listener` and then to all loggers.

    A logger that fails is told of once, in a notice, and left out from then on. However the `with`
    block ends, they finish.
    """
    left = list(loggers)

    def protected(logger: Logger, do: Callable[[], None]) -> None:
        try:
            # Results alone go to standard output, and not what a library has to say.
            with redirect_stdout(StringIO()):
                do()
        except Exception as error:
            left.remove(logger)
            listener(Notice(f"Logging to {logger.name} ends, and training goes on: {why(error)}"))

    def listen(event: SessionEvent) -> None:
        listener(event)
        for logger in tuple(left):
            protected(logger, lambda logger=logger: logger(event))  # type: ignore[misc]
            if isinstance(event, Prepared) and logger in left and logger.where:
                listener(Notice(f"Logging to {logger.name}. {logger.where}"))

    try:
        yield listen
    finally:
        for logger in tuple(left):
            protected(logger, logger.close)


def why(error: Exception) -> str:
    """An error of any library in one line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= MOST else words[:MOST] + " ..."
