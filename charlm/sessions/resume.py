"""Resuming a run that stopped."""

from dataclasses import replace
from typing import Any

from charlm.config import TrainConfig
from charlm.errors import SettingError, UsageError
from charlm.keywords import LimitKeywords
from charlm.machine.device import choose_device
from charlm.presets import LIMITS, as_options, overridden
from charlm.rnn.backends.choice import available_backends, choose_backend
from charlm.runs.directory import RunDirectory
from charlm.sessions.session import Session
from charlm.tasks.relevance import check_relevant
from charlm.tasks.task import Task
from charlm.text.corpus import Source
from charlm.text.splits import count
from charlm.training.state import Counters, Snapshot

RESUMABLE = tuple(LimitKeywords.__annotations__)


def resume_session(
    task: Task,
    run: RunDirectory,
    source: Source,
    encoding: str | None,
    device: str,
    backend: str,
    changes: dict[str, Any],
) -> Session:
    """Prepare a session that continues a run from where it stopped.

    Args:
        source: where the run's data are now; None: where they were.
        encoding: encoding of texts; None: as before.
        device, backend: names.
        changes: settings to change, by name; only those in RESUMABLE can.

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
    snapshot = Snapshot.from_arrays(*run.load_last())
    before = run.settings
    if changes.keys() & set(LIMITS):
        # As for a new run, a limit given by name replaces the others.
        changes = dict.fromkeys(LIMITS) | changes
    settings = overridden(before, **changes)
    check_relevant(replace(settings, given=changes), task.rules)
    over = limits_reached(settings.train, snapshot.counters)
    if run.record.status in ("done", "patience") and over:
        steps = count(snapshot.counters.step, "step")
        raise UsageError(
            f"The run '{run.name}' is finished: after {steps} it has reached {as_options(over)}.",
            "To train it longer, give a higher --max-steps, --epochs or --max-minutes."
            if "patience" not in over
            else "To train it longer, give a higher --patience.",
        )
    dataset = task.reread(run, source, encoding)
    where = choose_device(device)
    task.check_memory(settings, where, "Go on where there is more memory.")
    if backend == "auto" and run.record.device == str(where):
        # Another backend rounds differently, so that results would not be the same bit for bit.
        backend = run.record.backend
        if backend not in available_backends(settings.model, where.type):
            backend = "auto"
    backend = choose_backend(settings.model, backend, where.type, settings.train.precision)
    model = task.make_model(settings.model, backend).to(where)
    # Resuming a run that diverged is deliberate, perhaps with another learning rate.
    snapshot.counters.rollbacks = 0
    place = {"device": str(where), "backend": model.rnn.backend}
    moved = {name: now for name, now in place.items() if now != getattr(run.record, name)}
    told = [{"step": snapshot.counters.step, **changes, **moved}] if changes or moved else []
    run.update(
        train=settings.train.to_json(),
        **place,
        changes=[*run.record.changes, *told],
    )
    run.forget_metrics_after(snapshot.counters.step)
    changed = settings.train != before.train
    return Session(task, run, model, dataset, snapshot, before.train if changed else None)


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
