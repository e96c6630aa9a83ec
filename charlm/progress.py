"""Progress, as whatever takes long tells it."""

from collections.abc import Callable

# Told now and then how much is done, of how much.
ProgressCallback = Callable[[int, int], None]


def ignore_progress(done: int, total: int) -> None:
    """Nobody asked."""
