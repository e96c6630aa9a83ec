"""The tasks by name, and runs opened as their tasks keep them."""

from pathlib import Path

from charlm.errors import RunError, look_up
from charlm.runs import store
from charlm.runs.directory import RunDirectory
from charlm.tasks.language_modeling.task import LanguageModelTask
from charlm.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (LanguageModelTask(),)}
DEFAULT_TASK = LanguageModelTask.name


def find_task(name: str) -> Task:
    """The task of this name.

    Raises:
        UsageError: there is none.
    """
    return look_up(TASKS, name, "task")


def task_of(run: RunDirectory) -> Task:
    """What a run is trained for.

    Raises:
        RunError: nothing that is known here.
    """
    name = run.record.task
    if name not in TASKS:
        raise RunError(
            f"The run '{run.name}' is of the task '{name}', which this charlm does not know.",
            "Upgrade charlm to use this run.",
        )
    return TASKS[name]


def open_run(path: Path) -> RunDirectory:
    """A run with all that its task needs.

    Raises:
        RunError: it is not there, or something in it is missing, damaged or of a newer format.
    """
    plain = RunDirectory.open(path)
    run = task_of(plain).run_type(path, plain.record)
    run.check()
    return run


def find_run(name: str | Path | None = None, folder: str | Path | None = None) -> RunDirectory:
    """`charlm.runs.store.find_run`, opened as by `open_run`."""
    return store.find_run(name, folder, open_run)


def list_runs(folder: Path) -> list[RunDirectory | RunError]:
    """`charlm.runs.store.list_runs`, opened as by `open_run`."""
    return list(store.list_runs(folder, open_run))
