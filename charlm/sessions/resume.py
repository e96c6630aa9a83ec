"""Resuming a run that stopped."""

from dataclasses import replace
from typing import Any

from charlm.config import TrainConfig
from charlm.distributed.world import ALONE, World
from charlm.errors import RunError, SettingError, UsageError
from charlm.keywords import LimitKeywords
from charlm.machine.device import choose_device
from charlm.presets import LIMITS, as_options, overridden
from charlm.rnn.backends.choice import available_backends, choose_backend
from charlm.runs.directory import RunDirectory
from charlm.runs.store import is_run
from charlm.sessions.session import Session
from charlm.tasks.registry import open_run
from charlm.tasks.relevance import check_relevant
from charlm.tasks.task import Task
from charlm.text.corpus import Source
from charlm.text.splits import count
from charlm.training.state import Counters, Snapshot

RESUMABLE = tuple(LimitKeywords.__annotations__)


class FinishedError(UsageError):
    """A run that is to go on has nothing left to train."""


def resume_session(
    task: Task,
    run: RunDirectory,
    source: Source,
    encoding: str | None,
    device: str,
    backend: str,
    changes: dict[str, Any],
    world: World = ALONE,
) -> Session:
    """Prepare a session that continues a run from where it stopped, or else begins it again.

    It begins again, and trains the same, where it stopped before anything was saved.

    Args:
        source: where the run's data are now; None: where they were.
        encoding: encoding of texts; None: as before.
        device, backend: names.
        changes: settings to change, by name; only those in RESUMABLE can.
        world: the processes that go on with it together, as many as there were or others.

    Raises:
        RunError: the run or its data are missing, damaged or changed.
        UsageError: a setting cannot change, or the run is finished.
    """
    for setting in changes:
        if setting not in RESUMABLE:
            raise SettingError(
                setting,
                f"cannot change when a run goes on; {', '.join(RESUMABLE)} can.",
                RESUMABLE,
            )
    snapshot = Snapshot.from_arrays(*run.load_last()) if run.can_resume else None
    counters = Counters() if snapshot is None else snapshot.counters
    before = run.settings
    if changes.keys() & set(LIMITS):
        # As for a new run, a limit given by name replaces the others.
        changes = dict.fromkeys(LIMITS) | changes
    settings = overridden(before, **changes)
    check_relevant(replace(settings, given=changes), task.rules)
    over = limits_reached(settings.train, counters)
    if run.record.status in ("done", "patience") and over:
        steps = count(counters.step, "step")
        raise FinishedError(
            f"The run '{run.name}' is finished: after {steps} it has reached {as_options(over)}.",
            "To train it longer, give a higher --max-steps, --epochs or --max-minutes."
            if "patience" not in over
            else "To train it longer, give a higher --patience.",
        )
    with world.leader_first():
        dataset = task.reread(run, source, encoding)
    dataset.world = world
    world.check_batch(settings.train.batch_size)
    where = choose_device(device)
    task.check_memory(settings, where, "Go on where there is more memory.")
    if backend == "auto" and run.record.device == str(where):
        # Another backend rounds differently, so that results would not be the same bit for bit.
        backend = run.record.backend
        if backend not in available_backends(settings.model, where.type):
            backend = "auto"
    backend = choose_backend(settings.model, backend, where.type, settings.train.precision)
    backend = world.tell(backend)
    model = task.make_model(settings.model, backend)
    if snapshot is None:
        dataset.initialize(model, settings, parent_of(run))
    model = model.to(where)
    # Resuming a run that diverged is deliberate, perhaps with another learning rate.
    counters.rollbacks = 0
    place = {"device": str(where), "backend": model.rnn.backend, "processes": world.size}
    moved = {name: now for name, now in place.items() if now != getattr(run.record, name)}
    told = [{"step": counters.step, **changes, **moved}] if changes or moved else []
    world.barrier()  # Until then everybody reads what the first one is about to change.
    record = {
        "train": settings.train.to_json(),
        **place,
        "changes": [*run.record.changes, *told],
    }
    if world.leads:
        run.update(**record)
        run.forget_metrics_after(counters.step)
    else:
        vars(run.record).update(record)
    was = before.train if settings.train != before.train else None
    return Session(task, run, model, dataset, snapshot, was, world)


def parent_of(run: RunDirectory) -> RunDirectory | None:
    """The run that this one starts from; None if it starts from none.

    Raises:
        RunError: it is gone, or was trained further since.
    """
    record, path = run.record, run.parent_path
    if path is None:
        return None
    parent = open_run(path) if is_run(path) else None
    if parent is not None and record.parent_sha256 in (None, parent.weights_sha256()):
        return parent
    problem = "is not there any more" if parent is None else "was trained further since"
    raise RunError(
        f"The run '{run.name}' cannot begin again: '{record.parent}', from which it starts, "
        f"{problem}.",
        "Train anew, under another name.",
    )


def limits_reached(config: TrainConfig, counters: Counters) -> dict[str, float]:
    """The limits that a run has reached, by name; patience counts as one."""
    done = {
        "max_steps": counters.step,
        "epochs": counters.epoch,
        "max_minutes": counters.seconds / 60,
        "patience": counters.stale,
    }
    limits = {name: getattr(config, name) for name in done}
    return {
        name: limit for name, limit in limits.items() if limit is not None and done[name] >= limit
    }
