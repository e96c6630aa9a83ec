"""The run that a command is about."""

from typing import TYPE_CHECKING

from charlm.cli import console

if TYPE_CHECKING:
    from charlm.run import Run


def load_run(name: str | None, runs_dir: str | None) -> "Run":
    """A run by name or path, or the newest; where there is none, the one that comes with charlm.

    Of that one it is said how to train another.

    Raises:
        CharlmError: there is no such run, or it is damaged.
    """
    from charlm.api import load
    from charlm.runs.commands import command

    run = load(name, runs_dir=runs_dir)
    if run.is_shipped:
        console.say(
            f"There is no run of yours yet: this is '{run.name}', a small model that comes with "
            f"charlm. Train one on any text: {command('train')}"
        )
    return run
