"""Saving a run while it trains, and what happens where it cannot be written.

A full disk or a share that is gone must not cost the hours before. What could not be written stays
in memory, training goes on, and it is tried again, less and less often. Only after `PATIENCE` is it
an error.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from charlm.distributed.world import ALONE, World
from charlm.errors import RunError
from charlm.files.whole import Arrays, WritingError
from charlm.machine.memory import is_shortage
from charlm.runs.directory import RunDirectory
from charlm.training.state import Snapshot
from charlm.training.trainer import Trainer

PATIENCE = 600.0  # seconds from the first failure on, and once more at the end of training
# Seconds where training was asked to stop: job queues kill half a minute later.
HURRIED_PATIENCE = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries, each twice the one before
GLANCE = 0.2  # seconds, between two looks at whether to go on waiting


class Saver:
    """Saves a run's best weights, metrics and training state.

    Args:
        tell: called with sentences that the user should see.
        step: of the state that the run's folder holds; None if it holds none.
        should_stop: asked while it waits after training, which it ends.
        world: the processes that train together. All of them save at the same time, as each has its
            part of the state; the first one writes.
    """

    def __init__(
        self,
        run: RunDirectory,
        trainer: Trainer,
        tell: Callable[[str], object],
        step: int | None,
        should_stop: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        world: World = ALONE,
    ) -> None:
        self.run, self.trainer, self.tell, self.step = run, trainer, tell, step
        self.should_stop, self.clock, self.sleep, self.world = should_stop, clock, sleep, world
        self.hurried = False
        # What is not on disk yet.
        self.best: Arrays | None = None
        self.rows: list[Mapping[str, Any]] = []
        # The first failure since it last went well, the next try, and the pause before that.
        self.failed_at: float | None = None
        self.next_at = self.pause = 0.0

    # What is saved

    def keep(self, row: Mapping[str, Any], best: Arrays | None) -> None:
        """Take what an evaluation brought, to be written by the next `save`.

        Args:
            best: the weights if they scored best; they may change once `save` is done.
        """
        self.rows.append(row)
        self.best = self.best if best is None else best

    def save(self) -> None:
        """Write all that is not on disk yet, or postpone it.

        Raises:
            RunError: it has failed for too long.
        """
        self._try(self._writing())

    def save_if_due(self) -> None:
        """Try again what was postponed, if it is time to."""
        is_due = self.failed_at is not None and self.clock() >= self.next_at
        if self.world.any(is_due):
            self.save()

    def save_at_last(self, hurried: bool) -> None:
        """Write all that is not on disk yet, and wait until that can be done.

        Args:
            hurried: whether training was asked to stop.

        Raises:
            RunError: it cannot.
        """
        self.hurried, write = hurried, self._writing()
        if self.world.leads:
            self.insist(write, lambda: self.world.any(True))
            self.world.any(False)
        else:
            while self.world.any(False):
                pass  # The first process is still waiting.

    def insist(
        self, write: Callable[[], object], still_waiting: Callable[[], object] = lambda: None
    ) -> None:
        """Write something after training, and wait until that can be done, as `save_at_last`.

        Args:
            still_waiting: called now and then.
        """
        limit = self.clock() + (HURRIED_PATIENCE if self.hurried else PATIENCE)
        self.failed_at = None
        while not self._try(write, limit, waiting=True):
            while self.clock() < min(self.next_at, limit):
                if not self.hurried and self.should_stop():
                    limit = self.clock()
                self.sleep(GLANCE)
                still_waiting()

    def _writing(self) -> Callable[[], object]:
        """What is to write the state as it is; of several processes only the first one's does."""
        if self.world.size == 1:
            return lambda: self._write(self.trainer.capture())
        snapshot = self.trainer.capture()
        return lambda: self._write(snapshot) if self.world.leads else None

    def _write(self, snapshot: Snapshot) -> None:
        # The training state comes last: if there is a crash before that, resuming repeats it all.
        if self.best is not None:
            self.run.save_best(self.best)
            self.best = None
        while self.rows:
            self.run.append_metrics(self.rows[0])
            del self.rows[0]
        self.run.save_last(*snapshot.arrays(), snapshot.scalars())
        self.step = snapshot.counters.step

    # Failures

    def _try(
        self, write: Callable[[], object], limit: float | None = None, waiting: bool = False
    ) -> bool:
        """Whether something could be written.

        Args:
            limit: when it is an error if it cannot; None: `PATIENCE` after the first failure.
            waiting: whether nothing else is done until then.
        """
        try:
            write()
        except (WritingError, MemoryError, RuntimeError, ValueError) as error:
            problem = self._problem(error)
        else:
            if self.failed_at is not None:
                self.tell(f"The run '{self.run.name}' is saved again.")
            self.failed_at = None
            return True
        now = self.clock()
        if self.failed_at is None:
            self.failed_at, self.pause = now, FIRST_PAUSE
            # The weights go on changing.
            self.best = self.best and {name: each.copy() for name, each in self.best.items()}
        else:
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
        limit = self.failed_at + PATIENCE if limit is None else limit
        if now >= limit:
            raise RunError(problem, self._what_is_kept())
        if self.pause == FIRST_PAUSE:
            going_on = "Nothing is lost yet" if waiting else "Training goes on"
            self.tell(f"{problem} {going_on}; it is tried again for {in_words(limit - now)}.")
        self.next_at = now + self.pause
        return False

    def _problem(self, error: Exception) -> str:
        """In a sentence, why nothing could be written; raises what is no failure to write."""
        if isinstance(error, WritingError):
            return error.message
        if is_shortage(error):
            return f"There is not enough memory to save the run '{self.run.name}'."
        raise error

    def _what_is_kept(self) -> str:
        """What the user still has, and how to go on."""
        run = self.run
        if not run.path.is_dir():
            return (
                "The folder is gone, and the run with it. Once it is back, go on: "
                f"{run.resume_command}"
            )
        kept = "No state" if self.step is None else f"The state of step {self.step:,}"
        return f"{kept} is kept there. Once it can be written, go on with it: {run.resume_command}"


def in_words(seconds: float) -> str:
    """Such as "10 minutes" or "20 seconds"."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
