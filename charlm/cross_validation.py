"""Cross-validation: as many trainings as folds, each scored on the rows that it has not seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from charlm.api import resume, train
from charlm.errors import SettingError, UsageError
from charlm.presets import Settings
from charlm.run import Run
from charlm.runs.names import check_name, replace_forbidden
from charlm.runs.store import is_run, runs_folder
from charlm.scoring.score import Score
from charlm.tables.sources import STDIN, open_table
from charlm.tasks.registry import open_run, task_of
from charlm.tasks.supervised.settings import TableConfig
from charlm.training.task import never

if TYPE_CHECKING:
    from charlm.sessions.session import Listener


@dataclass(frozen=True)
class CrossValidation:
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
        UsageError: a run of that name has other settings.
    """
    if options.get("fold") is not None:
        raise SettingError("fold", "is one of several, and these are all: leave it out.")
    if source == STDIN:
        source = open_table(STDIN, options.get("encoding") or "utf-8")
    folder = runs_folder(runs_dir)
    base = check_name(run) if run is not None else free_base(folder, source)
    stop = should_stop or never
    where: dict[str, Any] = {"runs_dir": runs_dir, "device": device, "backend": backend}
    where |= {"listener": listener, "should_stop": stop}
    runs: list[Run] = []
    for fold in range(1, folds + 1):
        name = f"{base}-fold-{fold}"
        if is_run(folder / name):
            found = Run(open_run(folder / name))
            check_same(found, runs, folds, fold)
            if "score" not in found.result:
                found = resume(name, **where)
        else:
            found = train(source, run=name, **where, **{**options, "folds": folds, "fold": fold})
            check_same(found, runs, folds, fold)
        runs.append(found)
        if stop():
            break
    return CrossValidation(tuple(runs), folds)


def free_base(folder: Path, source: Any) -> str:
    """A name that no run begins with, made from that of the data."""
    stem = Path(source).stem if isinstance(source, str | Path) else "table"
    stem = replace_forbidden(stem) or "table"
    names = (f"{stem}-{number}" for number in range(1, 10_000))
    return next(name for name in names if not is_run(folder / f"{name}-fold-1"))


def check_same(found: Run, others: list[Run], folds: int, fold: int) -> None:
    """Raise UsageError if a run is not that fold of the same cross-validation as the others."""
    mine = found.directory.settings
    data: Any = mine.data
    same = (getattr(data, "folds", None), getattr(data, "fold", None)) == (folds, fold)
    if same and others:
        first = others[0].directory
        same = without_fold(mine) == without_fold(first.settings)
        same &= found.directory.record.corpus["sha256"] == first.record.corpus["sha256"]
    if not same:
        raise UsageError(
            f"The run '{found.name}' has other settings than this cross-validation.",
            "Give another --run.",
        )


def without_fold(settings: Settings) -> Settings:
    """Settings that the folds share: a vocabulary and the largest batch may differ in size."""
    data = replace(cast("TableConfig", settings.data), fold=1)
    model = replace(settings.model, vocabulary_size=2)
    train_config = replace(settings.train, batch_size=1)
    return replace(settings, data=data, model=model, train=train_config)
