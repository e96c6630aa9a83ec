"""The picture that `charlm train --plot FILE` keeps up to date."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from charlm.cli import console
from charlm.cli.output_files import checked_picture, save_picture

if TYPE_CHECKING:
    from charlm.runs.directory import RunDirectory
    from charlm.sessions.session import Listener, SessionEvent

# A picture is drawn at most so often, and takes at most this share of the time.
LEAST_SECONDS, MOST_SHARE = 5.0, 0.05


class LivePicture:
    """Draws the curves of the run that is being trained after an evaluation, and at the end.

    A picture that cannot be written is told of once, and training goes on.

    Args:
        path: the file; None for no picture.
        clock: returns the time in seconds.

    Raises:
        CharlmError: the file is no picture, or cannot be written there.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = None if path is None else checked_picture(path)
        self.clock = clock
        self.run: RunDirectory | None = None
        self.is_due = self.has_drawn = self.has_failed = False
        self.not_before = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whoever presses Ctrl-C twice does not want to wait.
        if kind is None or issubclass(kind, Exception):
            self.draw()

    def after(self, listener: "Listener") -> "Listener":
        """A listener that hands each event on to another one, and then draws if it is time to."""

        def show(event: "SessionEvent") -> None:
            listener(event)
            self.follow(event)

        return show

    def follow(self, event: "SessionEvent") -> None:
        """Draw if there are new points, unless the last picture is too recent."""
        from charlm.sessions.session import Prepared
        from charlm.training.events import Evaluated

        if isinstance(event, Prepared):
            self.run = event.run
        self.is_due |= isinstance(event, Prepared | Evaluated)
        if self.is_due and self.clock() >= self.not_before:
            self.draw()

    def draw(self) -> None:
        """Draw what has been measured so far, if anything."""
        from charlm.plots.curves import draw_training, inches_for
        from charlm.tasks.curves import training_curves

        self.is_due = False
        if self.path is None or self.run is None:
            return
        begun = self.clock()
        try:
            if not self.run.metrics():
                return
            curves = training_curves([self.run])
            save_picture(partial(draw_training, curves=curves), self.path, inches_for(curves))
        # Whatever is wrong with a picture, hours of training must not be lost to it.
        except Exception as error:
            if not self.has_failed:
                console.say(f"There is no picture now, and training goes on. {error}")
            self.has_failed = True
        # The first one takes longer, since it finds fonts and so on.
        taken = self.clock() - begun if self.has_drawn else 0.0
        self.has_drawn = True
        self.not_before = self.clock() + max(LEAST_SECONDS, taken / MOST_SHARE)
