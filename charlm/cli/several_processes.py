"""`--processes` of `charlm train`: who starts them, who speaks, and with which code they end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from charlm.cli import console
from charlm.distributed.launcher import end_with, launch
from charlm.distributed.world import ALONE, LostProcessError, World, is_restarted
from charlm.errors import CharlmError, SettingError, UsageError

Processes = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Train in N processes of this machine, which share each batch: one for each GPU.",
        show_default="1",
    ),
]
MaxRestarts = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="If a process is killed or crashes, go on from the last saved state, N times at most.",
        show_default="0",
    ),
]
# Seconds within which a second signal is the first one again: a job queue sends it to all
# processes, and the launcher to those that it has started.
SAME_SIGNAL = 3.0


class Stop(Protocol):
    """What signals do; see `charlm.cli.train`.

    Attributes:
        same_signal: seconds within which a second one is the first one again.
    """

    same_signal: float

    def listen(self) -> None:
        """Let the next signal ask training to end, rather than exit."""


def launched(
    ctx: typer.Context, processes: int | None, max_restarts: int | None, options: Mapping[str, Any]
) -> bool:
    """Run this command line in several processes, if that is asked for, and wait for their end.

    Args:
        options: the other options, by name.

    Raises:
        UsageError: what is asked for cannot be done by several processes.
    """
    if is_member():
        return False
    check_options(options, processes or 1)
    if max_restarts is not None and not (options["run"] or options["resume"]):
        raise SettingError("max_restarts", "goes on with a run by its name: give --run.")
    if (processes or 1) == 1 and not max_restarts:
        return False
    if code := launch(ctx.obj, processes or 1, max_restarts or 0):
        raise typer.Exit(code)
    return True


def check_options(options: Mapping[str, Any], size: int) -> None:
    """Raise SettingError for what several processes cannot do together.

    Args:
        options: of `charlm train`, by name.
        size: how many processes there are.
    """
    several = {"repeat": "trains one run after another", "folds": "trains a run for each fold"}
    for name, why in several.items():
        if size > 1 and options.get(name) is not None and options.get("fold") is None:
            raise SettingError(name, f"{why}, each in one process: leave out --processes.")
    if options.get("processes") not in (None, size):
        problem = f"is {options['processes']}, and torchrun has started {size}: leave it out."
        raise SettingError("processes", problem)


def is_member() -> bool:
    """Whether a launcher has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


@contextmanager
def taking_part(stop: Stop, device: str, options: Mapping[str, Any]) -> Iterator[World]:
    """The processes that train together, if a launcher has started this one.

    The first of them alone speaks. If one fails, it says why, and the others end without a word.

    Args:
        stop: what signals do.
        device: name of the device.
        options: the others of `charlm train`, by name.
    """
    if not is_member():
        yield ALONE
        return
    # It imports torch.
    from charlm.distributed.several import joined

    with ExitStack() as quiet, joined() as world:
        if not world.leads:
            null = quiet.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            quiet.enter_context(redirect_stdout(null))
            quiet.enter_context(redirect_stderr(null))
            # The first one decides when it is too early to save anything.
            stop.listen()
        stop.same_signal = SAME_SIGNAL if world.size > 1 else 0.0
        try:
            check_options(options, world.size)
            world.use_own_device(device)
            yield world
        except CharlmError as error:
            quiet.close()
            if not world.fails_first():
                # The one that did says what happens next.
                raise typer.Exit from None
            console.fail(error)
            # Against a lost process a restart helps; whoever is wrong would be so again.
            lost = isinstance(error, LostProcessError)
            code = error.exit_code if lost else end_with(error.exit_code)
            raise typer.Exit(code) from None
        except (SystemExit, typer.Exit) as end:
            said = end.exit_code if isinstance(end, typer.Exit) else end.code
            raise typer.Exit(end_with(said if isinstance(said, int) else 1)) from None


def run_to_go_on_with(run: str | None, runs_dir: str | None) -> str | None:
    """The run, if it is there and a launcher has started its processes again; else None.

    Raises:
        UsageError: they were started again, and no run is named.
    """
    from charlm.runs.store import is_run, runs_folder

    if not is_restarted():
        return None
    if run is None:
        raise UsageError("Processes that are started again have to know their run.", "Give --run.")
    return run if is_run(runs_folder(runs_dir) / run) else None
