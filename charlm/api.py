"""The Python API: functions for what the command line does."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from charlm.distributed.world import ALONE, World
from charlm.errors import SettingError, UsageError
from charlm.files.paths import expanded
from charlm.keywords import LimitKeywords, SettingsKeywords
from charlm.machine.memory import memory_at_hand
from charlm.presets import NO_PRESET, Settings, as_options, resolve
from charlm.progress import ProgressCallback
from charlm.run import Run, Source
from charlm.runs.directory import RunDirectory
from charlm.runs.locks import RunLock
from charlm.runs.names import check_free
from charlm.runs.store import runs_folder
from charlm.tasks.registry import choose_task, find_run, open_run, task_of
from charlm.tasks.relevance import applied_values, check_relevant
from charlm.tasks.task import Task
from charlm.text.catalog import CATALOG
from charlm.text.corpus import Corpus
from charlm.text.large import LargeCorpus
from charlm.text.sources import STDIN

if TYPE_CHECKING:
    from charlm.loggers.logger import Logger
    from charlm.loggers.registry import LogTo
    from charlm.sessions.session import Listener, Session

AGAIN = "it begins again, with the same settings and the same seed."
SMALLER = "Give a smaller --batch-size, --seq-length or --hidden-size."


def train(
    source: Source = None,
    *,
    task: str | None = None,
    preset: str | None = None,
    run: str | None = None,
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
    """Train a model on a text and keep it as a run.

    Args:
        source: a catalog name, a file, a folder, a glob, several of these, "-" for standard input,
            or a Corpus (`charlm.Corpus.from_text`); None is the bundled corpus.
        task: name of the task; by default the preset's, the one of the run in `init_from`, or
            language-model.
        preset: name of the settings to begin with; by default the task's usual ones.
        run: name of the new run; by default made from the names of the text and the cell.
        runs_dir: where runs are kept; by default $CHARLM_RUNS_DIR, else `runs`.
        device: auto, cpu, cuda or mps.
        backend: auto, scratch, builtin or fused.
        init_from: a run whose weights and vocabulary to start from.
        listener: called with every event; see `charlm.sessions.session`.
        log_to: "tensorboard", "wandb", "mlflow" or "trackio", a `charlm.loggers.logger.Logger`, or
            several of these, which are told how training goes.
        should_stop: asked after every step; once it returns True, the run is saved and training
            ends.
        report: called with bytes received and total if a corpus has to be downloaded.
        world: the processes that train it together, from `charlm.distributed.several.joined`; the
            first one alone writes, logs and calls the listener.
        settings: by name, those of the task, such as cell="lstm", epochs=5.

    Raises:
        CharlmError: something is wrong with the text, the settings or the runs folder.
    """
    from charlm.loggers.registry import find_loggers
    from charlm.sessions.session import Chosen
    from charlm.sessions.start import start_session

    loggers = find_loggers(log_to) if world.leads else []
    folder = runs_folder(runs_dir)
    parent = find_run(init_from, folder) if init_from is not None else None
    given = {name: value for name, value in settings.items() if value is not None}
    if given.get("folds") and "fold" not in given:
        raise SettingError("folds", "are trained by charlm.cross_validate; or name one: fold=1.")
    if "encoding" in given and isinstance(source, Corpus | LargeCorpus):
        raise SettingError("encoding", "is of bytes, and this text is a string: leave it out.")
    kind, inherited, chosen = choose_settings(task, preset, parent, given)
    same_task = parent is not None and parent.record.task == kind.name
    described = replace(chosen, model=parent.settings.model) if parent and same_task else chosen
    check_relevant(described, kind.rules, kind.taken_from_parent if parent else ())
    check_readable_by_all(source, world)
    with world.leader_first():
        if run is not None and world.leads:
            run = check_free(folder, run)
        dataset = kind.read(source, chosen, parent, report if world.leads else None)
    dataset.world = world
    listen = listener if listener is not None and world.leads else (lambda _: None)
    applied = applied_values(described, inherited, kind.rules, kind.presets, same_task)
    if chosen.preset != NO_PRESET:
        listen(Chosen(f"Preset {chosen.preset}: {as_options(applied)}"))
    started = start_session(
        kind,
        dataset,
        chosen,
        folder=folder,
        name=run,
        parent=parent,
        device=device,
        backend=backend,
        listener=listen,
    )
    with memory_at_hand(SMALLER), started as session:
        return finish(session, listen, should_stop, loggers)


def choose_settings(
    task: str | None, preset: str | None, parent: RunDirectory | None, given: Mapping[str, Any]
) -> tuple[Task, dict[str, Any], Settings]:
    """The task that is meant, what it takes from the parent, and all settings.

    Raises:
        UsageError: there is no such task, preset or setting.
    """
    kind, preset = choose_task(task or (parent.record.task if parent else None), preset, given)
    inherited = {} if parent is None else kind.inherited_settings(parent)
    sections = kind.run_type.sections()
    # A run has to find its files again, wherever it goes on.
    paths = {name for config in sections.values() for name in config.paths()}
    whole = {n: absolute(value) if n in paths else value for n, value in given.items()}
    settings = resolve(preset, inherited, sections, kind.presets, **whole)
    return kind.variant(settings.data.to_json()), inherited, settings


def absolute(path: Any) -> Any:
    """The whole path of a file that is there; whatever else a user gives stays as it is."""
    if not isinstance(path, str) or path in CATALOG:
        return path
    file = expanded(path)
    return str(file.resolve()) if file.exists() else path


def resume(
    run: str | Path,
    *,
    source: Source = None,
    encoding: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: "Listener | None" = None,
    log_to: "LogTo" = None,
    should_stop: Callable[[], bool] | None = None,
    world: World = ALONE,
    **settings: Unpack[LimitKeywords],
) -> Run:
    """Continue an interrupted run, or train a finished one longer.

    A run that stopped before its state was saved begins again.

    On one CPU, a run that was interrupted and resumed equals one that was not, bit for bit.

    Args:
        run: name or path of the run.
        source: where the run's text is now, if it has moved: as in `train`. The run remembers it.
        encoding: encoding of that text, if it has changed.
        log_to: as in `train`; what was logged before goes on.
        world: as in `train`; there may be more or fewer processes than before.
        settings: epochs, max_steps, max_minutes, patience, eval_every, learning_rate.

    Raises:
        CharlmError: the run or its text is missing, damaged or changed; another process trains it;
            nothing is left to do.
    """
    from charlm.loggers.registry import find_loggers
    from charlm.sessions.resume import resume_session
    from charlm.sessions.session import Notice

    given = {name: value for name, value in settings.items() if value is not None}
    listen = listener if listener is not None and world.leads else (lambda _: None)
    loggers = find_loggers(log_to) if world.leads else []
    path = find_run(run, runs_dir).path
    check_readable_by_all(source, world)
    locked = RunLock.take(path) if world.leads else nullcontext()
    with memory_at_hand("Go on where there is more memory."), locked as lock:
        if lock is not None and lock.problem:
            listen(Notice(lock.problem))
        world.barrier()
        # Until the lock was taken, another process may have trained the run.
        found = open_run(path)
        task = task_of(found)
        if world.leads:
            found.finish_writing()
        world.barrier()
        session = resume_session(task, found, source, encoding, device, backend, given, world)
        if session.snapshot is None:
            listen(Notice(f"The run '{found.name}' stopped before its state was saved: {AGAIN}"))
        return finish(session, listen, should_stop, loggers)


def check_readable_by_all(source: Source, world: World) -> None:
    """Raise UsageError for data that only one of several processes could read."""
    named = source if isinstance(source, list | tuple) else [source]
    if world.size > 1 and any(isinstance(each, str) and each == STDIN for each in named):
        raise UsageError(
            "Standard input can be read by one process only.", "Save it in a file, and name that."
        )


def finish(
    session: "Session",
    listener: "Listener",
    should_stop: Callable[[], bool] | None,
    loggers: "Sequence[Logger]",
) -> Run:
    """Train a session to its end, or until `should_stop` returns True."""
    from charlm.loggers.attached import attached

    with attached(loggers, listener) as listen:
        session.run_to_end(listen, (lambda: False) if should_stop is None else should_stop)
    return Run(session.run)


def load(run: str | Path | None = None, *, runs_dir: str | Path | None = None) -> Run:
    """Load a run by name or path, or the newest one.

    Where there is none yet, the newest is the small one that comes with charlm.

    Raises:
        CharlmError: there is no such run, or it is damaged.
    """
    return Run(find_run(run, runs_dir, shipped=True))
