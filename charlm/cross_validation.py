"""Cross-validation: as many trainings as folds, each scored on the rows that it has not seen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from charlm.api import choose_settings
from charlm.errors import SettingError
from charlm.html.notebook import HasSections
from charlm.presets import Settings
from charlm.run import Run
from charlm.runs.names import check_name, free_names
from charlm.runs.store import is_run, runs_folder
from charlm.scoring.report import grid_of_scores, mean_and_spread
from charlm.scoring.score import Score
from charlm.sections import Grid, Section, Value
from charlm.several_runs import (
    find_those_there,
    refuse,
    train_each,
    with_what_the_machine_chose,
)
from charlm.tasks.registry import find_run, task_of
from charlm.tasks.supervised.settings import TableConfig
from charlm.tasks.supervised.task import opened
from charlm.training.task import never

if TYPE_CHECKING:
    from charlm.loggers.registry import LogTo
    from charlm.sessions.session import Listener


@dataclass(frozen=True)
class CrossValidation(HasSections):
    """The runs of all folds, and what they come to together.

    Args:
        runs: one for each fold, in order; fewer where training was interrupted.
        folds: how many there are to be.
    """

    runs: tuple[Run, ...]
    folds: int

    @property
    def finished(self) -> bool:
        """Whether every fold is trained and scored."""
        scored = [run for run in self.runs if "score" in run.result]
        return len(scored) == self.folds

    @property
    def scores(self) -> tuple[Score, ...]:
        """Of each fold, on its own rows."""
        kind = task_of(self.runs[0].directory).score_type
        return tuple(kind.from_json(run.result["score"]) for run in self.runs)

    @property
    def score(self) -> Score:
        """Of all rows, each predicted by the run that has not seen it."""
        return reduce(add, self.scores)

    @property
    def baselines(self) -> dict[str, Score]:
        """Of all rows, by the simple models, each fitted for every fold."""
        kind = task_of(self.runs[0].directory).score_type
        results = [run.result["baselines"] for run in self.runs]
        names = [name for name in results[0] if all(name in each for each in results)]
        return {
            name: reduce(add, [kind.from_json(each[name]) for each in results]) for name in names
        }

    @property
    def grid_of_folds(self) -> Grid:
        """The score of each fold; the mean, and by how much the folds differ."""
        figures, scores = self.score.figures, [each.to_json() for each in self.scores]
        rows: list[tuple[Value, ...]] = [
            (run.name, *(score[each.key] for each in figures))
            for run, score in zip(self.runs, scores, strict=True)
        ]
        means, spreads = mean_and_spread([[score[e.key] for score in scores] for e in figures])
        rows.append(("mean of the folds", *means))
        rows.append(("standard deviation", *spreads))
        return Grid(("run", *(each.title for each in figures)), rows, caption="Fold by fold")

    @property
    def grid_of_rows(self) -> Grid:
        """The score of all rows beside the baselines."""
        caption = "All rows, each predicted by the run that has not seen it"
        return grid_of_scores({**self.baselines, "charlm": self.score}, caption)

    def sections(self) -> Iterator[Section]:
        """The scores of the folds and of all rows, once every fold is trained."""
        if not self.finished:
            done = sum("score" in run.result for run in self.runs)
            yield f"{done} of {self.folds} folds are trained."
            return
        yield self.grid_of_folds
        yield self.grid_of_rows

    def to_json(self) -> dict[str, Any]:
        return {
            "folds": [
                {"run": run.name, "score": score.to_json()}
                for run, score in zip(self.runs, self.scores, strict=True)
            ],
            "score": self.score.to_json(),
            "baselines": {name: each.to_json() for name, each in self.baselines.items()},
        }


def cross_validate(
    source: Any = None,
    *,
    folds: int,
    run: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: "Listener | None" = None,
    log_to: "LogTo" = None,
    should_stop: Callable[[], bool] | None = None,
    **options: Any,
) -> CrossValidation:
    """Train one model for each fold of a table's rows, each scored on its fold.

    The best weights, and so the number of epochs, are chosen on a validation part within the other
    folds. Called again with the same run name, it goes on where it was interrupted.

    Args:
        source: as in `charlm.train`.
        folds: how many, 2 or more.
        run: the runs are called that, with "-fold-1" and so on behind it; by default a free name.
        options: as in `charlm.train`, task and preset too.

    Raises:
        CharlmError: as in `charlm.train`.
        UsageError: a run of that name has other settings or rows.
    """
    from charlm.loggers.registry import find_loggers

    if options.get("fold") is not None:
        raise SettingError("fold", "is one of several, and these are all: leave it out.")
    TableConfig(folds=folds)  # which checks their number
    loggers = find_loggers(log_to)
    source = opened(source, options.get("encoding") or "utf-8")
    folder = runs_folder(runs_dir)
    base = check_name(run) if run is not None else free_base(folder, source)
    members = {f"{base}-fold-{fold}": {"fold": fold} for fold in range(1, folds + 1)}
    options, names = {**options, "folds": folds}, list(members)
    check_same(find_those_there(folder, names), names, source, folder, options)
    where = {"device": device, "backend": backend, "listener": listener, "log_to": loggers}
    runs = train_each(source, members, folder, should_stop or never, where, options)
    return CrossValidation(runs, folds)


def free_base(folder: Path, source: Any) -> str:
    """A name that no run begins with, made from that of the data."""
    first = source[0] if isinstance(source, list | tuple) and source else source
    stem = Path(first).stem if isinstance(first, str | Path) else "table"
    names = free_names(folder, stem)
    return next(name for name in names if not is_run(folder / f"{name}-fold-1"))


def check_same(
    there: Mapping[str, Run],
    names: Sequence[str],
    source: Any,
    folder: Path,
    options: Mapping[str, Any],
) -> None:
    """Raise UsageError if a run that is there is no fold of the cross-validation that is asked for.

    Args:
        there: runs by name.
        names: of all folds, in order.
        options: as in `charlm.train`.
    """
    if not there:
        return
    given = {name: value for name, value in options.items() if value is not None}
    task, preset, init_from, report = (
        given.pop(each, None) for each in ("task", "preset", "init_from", "report")
    )
    parent = None if init_from is None else find_run(init_from, folder)
    kind, _, asked = choose_settings(task, preset, parent, given)
    sha256 = kind.read(source, asked, parent, report).corpus["sha256"]
    for fold, name in enumerate(names, 1):
        if (run := there.get(name)) is None:
            continue
        record, mine = run.directory.record, run.directory.settings
        same = record.task == kind.name and record.corpus["sha256"] == sha256
        if not same or not is_fold(mine, fold, asked, record.splits["train"]):
            raise refuse(name, "cross-validation", "rows")


def is_fold(mine: Settings, fold: int, asked: Settings, span: Sequence[int]) -> bool:
    """Whether a run's settings are those that are asked for, of that fold.

    Args:
        span: where the run's training part begins and ends: a batch may be no larger.
    """
    model, train_config = asked.model, asked.train
    sizes = ("vocabulary_size", "input_size", "output_size")
    theirs = {name: getattr(mine.model, name) for name in sizes}
    if mine.train.batch_size == min(train_config.batch_size, span[1] - span[0]):
        train_config = replace(train_config, batch_size=mine.train.batch_size)
    data = replace(cast("TableConfig", asked.data), fold=fold)
    whole = Settings(data, replace(model, **theirs), train_config)
    return mine == with_what_the_machine_chose(whole, mine)
