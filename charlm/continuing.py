"""A training that goes on where its run is there already, and begins otherwise.

So one command can be given again and again, as job queues do.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from charlm.api import absolute, resume, train
from charlm.distributed.world import ALONE, World
from charlm.errors import SettingError, TrainingError, UsageError, option
from charlm.keywords import LimitKeywords, SettingsKeywords
from charlm.presets import as_options
from charlm.progress import ProgressCallback
from charlm.run import Run, Source
from charlm.runs.commands import run_command
from charlm.runs.directory import RunDirectory
from charlm.runs.names import NameTakenError, check_name
from charlm.runs.store import is_run, runs_folder
from charlm.tasks.registry import open_run

if TYPE_CHECKING:
    from charlm.loggers.registry import LogTo
    from charlm.sessions.session import Listener


# Settings that a run may change where it goes on.
CHANGEABLE = tuple(LimitKeywords.__annotations__)


def train_or_resume(
    source: Source = None,
    *,
    run: str,
    task: str | None = None,
    preset: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    init_from: str | Path | None = None,
    listener: "Listener | None" = None,
    log_to: "LogTo" = None,
    should_stop: Callable[[], bool] | None = None,
    report: ProgressCallback | None = None,
    world: World = ALONE,
    **settings: Unpack[SettingsKeywords],
) -> Run:
    """Go on with a run if it is there, and start it otherwise; if it is finished, say so.

    The arguments are those of `charlm.train`, and have to be those that the run was started with.
    What is not given is as it was.

    Raises:
        CharlmError: as in `charlm.train` and `charlm.resume`.
        UsageError: something that is given differs from what the run was started with.
        TrainingError: the run diverged, and would again.
    """
    from charlm.sessions.resume import FinishedError
    from charlm.sessions.session import Notice

    folder = runs_folder(runs_dir)
    path = folder / check_name(run)
    where: dict[str, Any] = {"runs_dir": folder, "device": device, "backend": backend}
    where |= {"listener": listener, "log_to": log_to, "should_stop": should_stop, "world": world}
    # Told by the first process, before it makes the run.
    if not world.tell(is_run(path)):
        begun: dict[str, Any] = {"task": task, "preset": preset}
        begun |= {"init_from": init_from, "report": report}
        try:
            return train(source, run=run, **begun, **where, **settings)
        except NameTakenError:
            # Another training was quicker. Several processes cannot go on with its run together, as
            # all but the first one are waiting for one to be made.
            if world.size > 1 or not is_run(path):
                raise
    found = open_run(path)
    check_same(found, {"task": task, "preset": preset, "init_from": init_from}, settings)
    if found.record.status == "diverged":
        raise TrainingError(
            f"The run '{found.name}' diverged, and would again.",
            "Go on with a lower rate: "
            + run_command(path, "train", option="resume", learning_rate="RATE"),
        )
    try:
        return resume(path, source=source, encoding=settings.get("encoding"), **where)
    except FinishedError as error:
        if listener is not None and world.leads:
            listener(Notice(error.message))
        return Run(open_run(path))


def check_same(run: RunDirectory, choices: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise UsageError if something is given with which a run was not started.

    Args:
        choices: task, preset and init_from; None where they are not given.
        settings: by name; None where they are not given.
    """
    record = run.record
    begun = {"task": record.task, "preset": record.preset, "init_from": record.parent}
    for name, value in choices.items():
        given = Path(value).name if name == "init_from" and value is not None else value
        if given not in (None, begun[name]):
            was = as_options({name: begun[name]}) if begun[name] else f"no {option(name)}"
            raise UsageError(
                f"The run '{run.name}' was started with {was}, not {as_options({name: value})}.",
                "Leave it as it was, or give another --run.",
            )
    configs = (run.settings.data, run.settings.model, run.settings.train)
    current = {name: value for config in configs for name, value in vars(config).items()}
    paths = {name for config in configs for name in config.paths()}
    changed = {name for change in record.changes for name in change}
    for name, value in settings.items():
        if value is None:
            continue
        if name not in current:
            raise SettingError(name, f"is no setting of the task '{record.task}'.")
        given = plain(absolute(value) if name in paths else value)
        begun_with = plain(record.given.get(name, current[name]))
        if given != plain(current[name]) and (given != begun_with or name in changed):
            change = run_command(run.path, "train", option="resume", **{name: value})
            raise SettingError(
                name,
                f"is {plain(current[name])} in the run '{run.name}', and not {value}: leave it as "
                "it was, or give another --run"
                + (f", or change it: {change}" if name in CHANGEABLE else "."),
            )


def plain(value: Any) -> Any:
    """A value as it comes back from JSON."""
    return list(value) if isinstance(value, tuple) else value
