"""The registry of tasks, and runs opened with the class that their task uses."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charlm.errors import RunError, UsageError, look_up
from charlm.files.schema import check
from charlm.presets import NO_PRESET
from charlm.runs import store
from charlm.runs.directory import RunDirectory
from charlm.runs.record import ScoredResult, misunderstood
from charlm.tasks.classification.task import ClassificationTask
from charlm.tasks.language_modeling.task import LanguageModelTask
from charlm.tasks.regression.task import RegressionTask
from charlm.tasks.task import Task

if TYPE_CHECKING:
    from charlm.rnn.model import RecurrentModel

TASKS: dict[str, Task] = {
    task.name: task for task in (LanguageModelTask(), ClassificationTask(), RegressionTask())
}
DEFAULT_TASK = LanguageModelTask.name


def find_task(name: str) -> Task:
    """Look up a task by name.

    Raises:
        UsageError: there is no such task.
    """
    return look_up(TASKS, name, "task")


def choose_task(task: str | None, preset: str | None, given: Mapping[str, Any]) -> tuple[Task, str]:
    """The task that is named, or whose preset is, and the preset.

    Args:
        given: settings given by name.

    Raises:
        UsageError: there is no such task or preset, or the preset is another task's.
    """
    if preset is None:
        chosen = find_task(task or DEFAULT_TASK)
        return chosen, chosen.usual_preset(given)
    if preset == NO_PRESET:
        return find_task(task or DEFAULT_TASK), preset
    owners = {name: each for each in TASKS.values() for name in each.presets}
    owner = look_up(owners, preset, "preset")
    chosen = find_task(task) if task else TASKS[DEFAULT_TASK]
    if preset in chosen.presets:
        return chosen, preset
    if task:
        raise UsageError(
            f"The preset '{preset}' is of the task '{owner.name}', not of '{task}'.",
            f"Leave out --task, or name one of: {', '.join(chosen.presets)}.",
        )
    return owner, preset


def task_of(run: RunDirectory) -> Task:
    """The task that a run is trained for.

    Raises:
        RunError: this version of charlm does not know the task.
    """
    name = run.record.task
    if name not in TASKS:
        raise RunError(
            f"The run '{run.name}' is of the task '{name}', which this charlm does not know.",
            "Upgrade charlm to use this run.",
        )
    return TASKS[name].variant(run.record.data)


def open_run(path: Path) -> RunDirectory:
    """Open a run with its task's class, and check that everything the task needs is there.

    Raises:
        RunError: the run, or something in it, is missing, damaged or of a newer format.
    """
    plain = RunDirectory.open(path)
    run = task_of(plain).run_type(path, plain.record)
    run.check()
    check_result(run)
    return run


def check_result(run: RunDirectory) -> None:
    """Raise RunError unless the scores in a run's record are those of its task."""
    result, kind = run.record.result, task_of(run).score_type
    try:
        if "score" in result:
            check(result, ScoredResult, "result")
            for values in (result["score"], *result["baselines"].values()):
                kind.from_json(values)
    except (LookupError, ValueError) as error:
        raise misunderstood(run.path / "run.json", vars(run.record), error) from None


def find_run(
    name: str | Path | None = None, folder: str | Path | None = None, shipped: bool = False
) -> RunDirectory:
    """`charlm.runs.store.find_run`, with the run opened by `open_run`."""
    return store.find_run(name, folder, open_run, shipped)


def list_runs(folder: Path) -> list[RunDirectory | RunError]:
    """`charlm.runs.store.list_runs`, with the runs opened by `open_run`."""
    return list(store.list_runs(folder, open_run))


def load_model(run: RunDirectory, device: str = "cpu", backend: str = "auto") -> "RecurrentModel":
    """The model of a run with its best weights, in evaluation mode.

    Raises:
        CharlmError: the weights are missing or damaged, or the model does not fit in memory; there
            is no such device or backend.
    """
    from charlm.machine.device import choose_device
    from charlm.rnn.backends.choice import choose_backend

    where, task, config = choose_device(device), task_of(run), run.settings.model
    # Loading checks the settings against the weights, before a model is built from them.
    weights = run.load_weights()
    advice = "Use it on a machine with more memory."
    task.check_memory(run.settings, where, advice, training=False)
    model = task.make_model(config, choose_backend(config, backend, where.type))
    model.load_weights(weights)
    return model.to(where).eval()
