"""Everything that the command line does, from Python."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from charlm.errors import SettingError
from charlm.keywords import LimitKeywords, SettingsKeywords
from charlm.memory import memory_at_hand
from charlm.presets import ADAPTIVE, DEFAULT_PRESET, as_options, preset_values, resolve
from charlm.relevance import applying, check_relevant
from charlm.reports import Report
from charlm.run import Run, Source
from charlm.run_locks import RunLock
from charlm.run_names import check_free
from charlm.runs import RunDirectory, find_run, runs_folder
from charlm.text.corpus import Corpus, open_corpus

if TYPE_CHECKING:
    from charlm.session import Listener, Session

SMALLER = "Give a smaller --batch-size, --seq-length or --hidden-size."


def train(
    source: Source = None,
    *,
    preset: str = DEFAULT_PRESET,
    run: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    init_from: str | Path | None = None,
    listener: "Listener | None" = None,
    should_stop: Callable[[], bool] | None = None,
    report: Report | None = None,
    **settings: Unpack[SettingsKeywords],
) -> Run:
    """Train a model on a text and keep it as a run.

    Args:
        source: a catalog name, a file, a folder, a glob, several of these, "-" for standard input,
            or a Corpus (`charlm.Corpus.from_text`); None is the bundled corpus.
        preset: the settings to begin with, by name.
        run: the new run's name; by default made from the text's and the cell's.
        runs_dir: where runs are kept; by default $CHARLM_RUNS_DIR, else `runs`.
        device: auto, cpu, cuda or mps.
        backend: auto, scratch, builtin or fused.
        init_from: a run whose weights and vocabulary to start from.
        listener: told of everything that happens; see charlm.session.
        should_stop: asked after every step; once it says yes the run is saved and training ends.
        report: told of the bytes received where a corpus has to be downloaded.
        settings: fields of DataConfig, ModelConfig and TrainConfig, such as cell="lstm", epochs=5.

    Raises:
        CharlmError: anything that is wrong with the text, the settings or the runs folder.
    """
    from charlm.prepare import begin, taken_over_from
    from charlm.session import Chosen

    folder = runs_folder(runs_dir)
    parent = find_run(init_from, folder) if init_from is not None else None
    explicit = {name: value for name, value in settings.items() if value is not None}
    if "encoding" in explicit and isinstance(source, Corpus):
        raise SettingError("encoding", "is of bytes, and this text is a string: leave it out.")
    taken_over = {} if parent is None else taken_over_from(parent)
    chosen = resolve(preset, **{**taken_over, **explicit})
    described = chosen if parent is None else replace(chosen, model=parent.record.settings.model)
    check_relevant(described, explicit, parent is not None)
    if run is not None:
        run = check_free(folder, run)
    corpus = (
        source.normalized(chosen.data.normalize or source.normalization)
        if isinstance(source, Corpus)
        else open_corpus(
            source,
            normalization=chosen.data.normalize,
            encoding=chosen.data.encoding,
            report=report,
        )
    )
    hear = (lambda _: None) if listener is None else listener
    stands_for = preset_values(preset, {**taken_over, **explicit})
    rest = applying(stands_for, described, explicit, parent is not None)
    hear(Chosen(f"Preset {preset}: {as_options(rest)}"))
    started = begin(
        corpus,
        chosen,
        folder=folder,
        name=run,
        parent=parent,
        explicit=explicit,
        adaptive=preset in ADAPTIVE,
        device=device,
        backend=backend,
        listener=hear,
    )
    with memory_at_hand(SMALLER), started as session:
        return _go(session, hear, should_stop)


def resume(
    run: str | Path,
    *,
    source: Source = None,
    encoding: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: "Listener | None" = None,
    should_stop: Callable[[], bool] | None = None,
    **settings: Unpack[LimitKeywords],
) -> Run:
    """Go on with an interrupted run, or train a finished one longer.

    On one CPU, a run that was interrupted and resumed equals one that was not, bit for bit.

    Args:
        source: where the run's text is now, if it has moved: as in `train`. The run remembers it.
        encoding: of that text, if it is another than before.
        settings: epochs, max_steps, max_minutes, patience, eval_every, learning_rate.

    Raises:
        CharlmError: the run or its text is missing, damaged or changed; another process trains it;
            nothing is left to do.
    """
    from charlm.prepare import go_on
    from charlm.session import Notice

    given = {name: value for name, value in settings.items() if value is not None}
    hear = (lambda _: None) if listener is None else listener
    path = find_run(run, runs_dir).path
    with memory_at_hand("Go on where there is more memory."), RunLock.take(path) as lock:
        if lock.problem:
            hear(Notice(lock.problem))
        # Until now another process may have trained it.
        session = go_on(RunDirectory.open(path), source, encoding, device, backend, given)
        return _go(session, hear, should_stop)


def _go(session: "Session", listener: "Listener", should_stop: Callable[[], bool] | None) -> Run:
    session.go(listener, (lambda: False) if should_stop is None else should_stop)
    return Run(session.run)


def load(run: str | Path | None = None, *, runs_dir: str | Path | None = None) -> Run:
    """A run by name or path, or the newest one.

    Raises:
        CharlmError: there is none, or it is damaged.
    """
    return Run(find_run(run, runs_dir))
