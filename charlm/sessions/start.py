"""Starting a new run: from data and settings to a session that is ready to train."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from charlm.config import TrainConfig
from charlm.distributed.world import World
from charlm.errors import SettingError
from charlm.files.whole import writing
from charlm.machine.device import choose_device
from charlm.machine.threads import named_threads
from charlm.presets import EVALUATIONS, Settings
from charlm.rnn.backends.choice import choose_precision_and_backend
from charlm.rnn.model import RecurrentModel
from charlm.runs.directory import ANOTHER_FOLDER, RunDirectory
from charlm.runs.locks import make_run, remove_abandoned
from charlm.runs.record import Record
from charlm.sessions.session import Chosen, Listener, Notice, Session
from charlm.tasks.dataset import Dataset
from charlm.tasks.relevance import check_held_out, check_on_device
from charlm.tasks.task import Task
from charlm.version import __version__


@contextmanager
def start_session(
    task: Task,
    dataset: Dataset,
    settings: Settings,
    *,
    folder: Path,
    name: str | None = None,
    parent: RunDirectory | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: Listener = lambda event: None,
) -> Iterator[Session]:
    """Create a run that is ready to train, and hold its lock within the `with` block.

    Of the processes of the dataset's world the first does so, and all make the same choices.

    Args:
        folder: folder of the runs.
        name: name of the run; None makes one from the names of the data and the cell.
        parent: run whose weights the new one starts from.
        device, backend: names.
        listener: called with choices made for the user, and notices.

    Raises:
        CharlmError: a setting is invalid, the name is taken, or there is not enough memory.
    """
    world, where = dataset.world, choose_device(device)
    check_on_device(settings, where.type)

    def tell(choice: str) -> None:
        listener(Chosen(choice))

    settings = dataset.choose_settings(settings, parent, where, backend, tell)
    check_held_out(settings, dataset.splits)
    check_processes(settings, world)
    settings, backend_name = with_arithmetic(settings, where, backend)
    settings, backend_name = settings_of_leader(settings, backend_name, world)
    model = task.make_model(settings.model, backend_name)
    dataset.initialize(model, settings, parent)
    # Done before the run is created, since the device may lack the memory.
    model = model.to(where)
    record = describe(task, dataset, settings, model, where, parent)
    files, lock = dataset.take_files(), None
    if world.leads:
        run, lock = create(task, folder, name, record, files)
        world.tell(run.name)
    else:
        # Not read from there: another machine may not see it at once.
        name = str(world.tell(None))
        run = task.run_type(folder / name, replace(record, name=name))
    with lock or nullcontext():
        for notice in (
            *([lock.problem] if lock and lock.problem else []),
            *dataset.notices,
            *(slow_cell(model) if backend == "auto" else ()),
            *long_plateau(settings.train),
        ):
            listener(Notice(notice))
        yield Session(task, run, model, dataset, world=world)


def check_processes(settings: Settings, world: World) -> None:
    """Raise SettingError for what several processes cannot do."""
    world.check_batch(settings.train.batch_size)
    if world.size > 1 and settings.given.get("cuda_graphs"):
        raise SettingError("cuda_graphs", "cannot record what processes send one another.")


def settings_of_leader(settings: Settings, backend: str, world: World) -> tuple[Settings, str]:
    """The settings, and the name of the backend, that the first process has chosen."""
    mine = {"model": settings.model.to_json(), "train": settings.train.to_json()}
    told = world.tell({**mine, "backend": backend})
    model, train = (type(getattr(settings, name)).from_json(told[name]) for name in mine)
    return replace(settings, model=model, train=train), told["backend"]


def with_arithmetic(settings: Settings, where: torch.device, backend: str) -> tuple[Settings, str]:
    """The settings with "auto" and "d2l" replaced by what they stand for, and the backend."""
    precision, name = choose_precision_and_backend(
        settings.model, where, settings.train.precision, backend
    )
    initialization = settings.train.initialization
    if initialization == "d2l":
        initialization = "normal" if name == "scratch" else "uniform"
    train = replace(settings.train, precision=precision, initialization=initialization)
    return replace(settings, train=train), name


def describe(
    task: Task,
    dataset: Dataset,
    settings: Settings,
    model: RecurrentModel,
    where: torch.device,
    parent: RunDirectory | None,
) -> Record:
    """The record of a run before training; its name is still empty."""
    return Record(
        name="",
        created=datetime.now(UTC).isoformat(),
        charlm=__version__,
        torch=str(torch.__version__),
        backend=model.rnn.backend,
        device=str(where),
        parameters=model.parameter_count,
        corpus=dataset.corpus,
        splits=dataset.splits,
        data=settings.data.to_json(),
        model=settings.model.to_json(),
        train=settings.train.to_json(),
        task=task.name,
        parent=parent.name if parent else None,
        parent_path=str(parent.path.resolve()) if parent else None,
        parent_sha256=parent.weights_sha256() if parent else None,
        preset=settings.preset,
        given=dict(settings.given),
        threads=named_threads(),
        processes=dataset.world.size,
    )


def create(
    task: Task, folder: Path, name: str | None, record: Record, files: Mapping[str, str]
) -> tuple[RunDirectory, Any]:
    """Create the run on disk and lock it.

    Args:
        folder: folder of the runs.
        name: name of the run; None makes one from the names of the data and the cell.
        files: files of the task, content by name.

    Raises:
        UsageError: the name is taken, or is no valid folder name.
        RunError: the folder cannot be written.
    """

    def make(free: str) -> RunDirectory:
        return task.run_type.create(folder, replace(record, name=free), files)

    with writing(folder, ANOTHER_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    return make_run(folder, name, f"{record.corpus['name']}-{record.model['cell']}", make)


def long_plateau(config: TrainConfig) -> Iterator[str]:
    """Say so if the run has too few evaluations for its rate to fall at a plateau."""
    least = config.plateau_patience + 2  # the first is the best, the last ends the run
    evaluations = EVALUATIONS
    if config.eval_every is not None:
        evaluations = config.max_steps // config.eval_every if config.max_steps else least
    if config.schedule == "plateau" and evaluations < least:
        yield (
            f"The learning rate cannot fall: a plateau of {config.plateau_patience} takes {least} "
            f"evaluations, and the run has {evaluations}. Give a smaller --eval-every."
        )


def slow_cell(model: RecurrentModel) -> Iterator[str]:
    """Say so if no backend but scratch supports the model's cell in this variant."""
    if model.rnn.backend == "scratch":
        wanted = f"{model.rnn.cell.name} {model.rnn.cell.variant}".strip()
        yield f"No faster backend has the {wanted} here: it runs on scratch, which takes longer."
