"""Trainings that belong together, such as folds or seeds: gone on with where they stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from charlm.api import resume, train
from charlm.errors import UsageError
from charlm.presets import Settings
from charlm.run import Run
from charlm.runs.store import is_run
from charlm.tasks.registry import open_run

# How a run's status reads when there is nothing left to train.
ENDED = ("done", "patience", "diverged")


def has_ended(run: Run) -> bool:
    """Whether a run was trained to its end."""
    return run.directory.record.status in ENDED


def find_those_there(folder: Path, names: Sequence[str]) -> dict[str, Run]:
    """Those of some runs that are there, by name."""
    return {name: Run(open_run(folder / name)) for name in names if is_run(folder / name)}


def train_each(
    source: Any,
    members: Mapping[str, Mapping[str, Any]],
    folder: Path,
    should_stop: Callable[[], bool],
    where: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Run, ...]:
    """Train runs one after the other; those that are there already go on, unless they have ended.

    Args:
        source: as in `charlm.train`, but it is read once for each.
        members: of each run the settings in which it differs from the others, by its name.
        where: device, backend, listener and others, as in `charlm.train` and `charlm.resume`.
        options: of all of them, as in `charlm.train`.

    Returns:
        All of them, or fewer if they were asked to stop.
    """
    where = {**where, "runs_dir": folder, "should_stop": should_stop}
    there, runs = find_those_there(folder, list(members)), list[Run]()
    for name, mine in members.items():
        found = there.get(name)
        if found is None:
            found = train(source, run=name, **where, **{**options, **mine})
        elif not has_ended(found):
            found = resume(folder / name, **where)
        runs.append(found)
        if should_stop():
            break
    return tuple(runs)


def with_what_the_machine_chose(asked: Settings, mine: Settings) -> Settings:
    """The settings, with those of a run where they leave something to machine and backend."""
    train_config = asked.train
    if train_config.precision == "auto":
        train_config = replace(train_config, precision=mine.train.precision)
    if train_config.initialization == "d2l":
        train_config = replace(train_config, initialization=mine.train.initialization)
    return replace(asked, train=train_config)


def refuse(run: str, what: str, data: str) -> UsageError:
    """The error for a run that has the name of a member, and is none.

    Args:
        what: what it should belong to, such as "cross-validation".
        data: what to call its data.
    """
    return UsageError(
        f"The run '{run}' has other settings or {data} than this {what}.", "Give another --run."
    )
