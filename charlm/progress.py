"""Callbacks for the progress of long operations."""

from collections.abc import Callable
from contextvars import ContextVar

# Called now and then with how much is done and with the total, which is 0 if unknown.
ProgressCallback = Callable[[int, int], None]


def ignore_progress(done: int, total: int) -> None:
    """Do nothing: the default callback."""


# Told of the bytes of a large text while it is prepared, which happens once, wherever it is needed.
PREPARING: ContextVar[ProgressCallback] = ContextVar("PREPARING", default=ignore_progress)
