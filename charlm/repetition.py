"""The same training with several seeds: how much of a score is chance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charlm.api import choose_settings
from charlm.errors import UsageError
from charlm.html.notebook import HasSections
from charlm.presets import Settings
from charlm.progress import ProgressCallback
from charlm.run import Run
from charlm.runs.directory import RunDirectory
from charlm.runs.locks import is_locked
from charlm.runs.names import check_name, free_names, names_in
from charlm.runs.store import runs_folder
from charlm.scoring.report import mean_and_spread
from charlm.scoring.score import Score
from charlm.sections import Grid, Section, Value
from charlm.several_runs import (
    find_those_there,
    has_ended,
    refuse,
    train_each,
    with_what_the_machine_chose,
)
from charlm.tasks.registry import find_run, task_of
from charlm.tasks.task import Task
from charlm.training.task import never

if TYPE_CHECKING:
    from charlm.loggers.registry import LogTo
    from charlm.sessions.session import Listener

MEANING = (
    "The standard deviation is that of seeds: how differently trainings with these settings come "
    "out. How far one score varies with what was scored is another question, of intervals."
)


@dataclass(frozen=True)
class Repetition(HasSections):
    """The runs of all seeds, and what they come to together.

    Args:
        runs: one for each seed, in order; fewer where training was interrupted.
        times: how many there are to be.
    """

    runs: tuple[Run, ...]
    times: int

    @property
    def finished(self) -> bool:
        """Whether all of them were trained to their ends."""
        return sum(self.ended) == self.times

    @property
    def ended(self) -> tuple[bool, ...]:
        """Whether each run was trained to its end."""
        return tuple(map(has_ended, self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of each run."""
        return tuple(run.directory.settings.train.seed for run in self.runs)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Of each run, on what it holds out; empty where that is nothing."""
        kind = task_of(self.runs[0].directory).score_type
        stored = [run.result.get("score") for run in self.runs]
        return tuple(kind.from_json(each) for each in stored if each is not None)

    @property
    def figures(self) -> dict[str, tuple[float, ...]]:
        """Figures of all runs' scores, by title; of training where nothing is held out."""
        task = task_of(self.runs[0].directory)
        told, titles = [score.to_json() for score in self.scores], task.score_type.figures
        if told:
            return {each.title: tuple(float(one[each.key]) for one in told) for each in titles}
        name = f"train_{task.train_figure}"
        last = [run.result.get(name) for run in self.runs]
        title = f"training {task.train_figure.replace('_', ' ')}"
        return {title: tuple(float("nan") if each is None else each for each in last)}

    @property
    def grid(self) -> Grid:
        """A row for each seed, the mean, and the standard deviation (n - 1)."""
        columns = self.figures
        means, spreads = mean_and_spread(list(columns.values()))
        named = zip(self.runs, self.seeds, strict=True)
        rows: list[tuple[Value, ...]] = [
            (run.name, str(seed), *(column[at] for column in columns.values()))
            for at, (run, seed) in enumerate(named)
        ]
        rows.append(("mean of the seeds", "", *means))
        rows.append(("standard deviation", "", *spreads))
        return Grid(("run", "seed", *columns), rows, names=2)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what the standard deviation means."""
        more = task_of(self.runs[0].directory).seeds_also
        return (MEANING, *([more] if more else []))

    def sections(self) -> Iterator[Section]:
        """A table of all seeds."""
        yield self.grid

    def to_json(self) -> dict[str, Any]:
        columns = self.figures
        means, spreads = mean_and_spread(list(columns.values()))
        told = {
            name: {"mean": mean, "standard_deviation": spread}
            for name, mean, spread in zip(columns, means, spreads, strict=True)
        }
        each = zip(self.runs, self.seeds, strict=True)
        runs = [{"run": r.name, "seed": s, "score": r.result.get("score")} for r, s in each]
        return {"runs": runs, "figures": told}


def repeat(
    source: Any = None,
    *,
    times: int,
    run: str | None = None,
    runs_dir: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    listener: "Listener | None" = None,
    log_to: "LogTo" = None,
    should_stop: Callable[[], bool] | None = None,
    **options: Any,
) -> Repetition:
    """Train the same with consecutive seeds, the given one and those after it.

    Called again with the same settings, it goes on where it was interrupted.

    Args:
        source: as in `charlm.train`.
        times: how many seeds, 2 or more.
        run: the runs are called that, with "-seed-0" and so on behind it; by default a free name,
            or that of a repetition of the same settings that was interrupted.
        options: as in `charlm.train`, task and preset too.

    Raises:
        CharlmError: as in `charlm.train`.
        UsageError: a run of that name has other settings or data.
    """
    from charlm.loggers.registry import find_loggers

    if times < 2:
        raise UsageError(f"To repeat a training takes two times or more, not {times}.")
    if options.get("folds") is not None:
        raise UsageError(
            "--repeat and --folds do not go together: with another seed come other folds.",
            "Leave one of them out.",
        )
    loggers = find_loggers(log_to)
    folder, given = runs_folder(runs_dir), {k: v for k, v in options.items() if v is not None}
    task, preset, init_from, report = (
        given.pop(each, None) for each in ("task", "preset", "init_from", "report")
    )
    parent = None if init_from is None else find_run(init_from, folder)
    kind, _, asked = choose_settings(task, preset, parent, given)
    source, given = kind.readable_again(source, given)
    plan = Plan(kind, source, asked, parent, times, (device, backend), report)
    base = check_name(run) if run is not None else plan.find_base(folder)
    there = find_those_there(folder, plan.names(base))
    for name, each in there.items():
        if not plan.is_member(each.directory, next(iter(there.values())).directory):
            raise refuse(name, "repetition", "data")
    where: dict[str, Any] = {"device": device, "backend": backend, "listener": listener}
    where["log_to"] = loggers
    chosen = {"task": task, "preset": preset, "init_from": init_from, "report": report}
    stop, runs = should_stop or never, tuple[Run, ...]()
    for name, seed in zip(plan.names(base), plan.seeds, strict=True):
        measured = {} if not runs else kind.measured_settings(runs[0].directory, asked)
        member = {name: {**measured, "seed": seed}}
        runs += train_each(source, member, folder, stop, where, {**given, **chosen})
        if stop():
            break
    return Repetition(runs, times)


@dataclass(frozen=True)
class Plan:
    """What is to be trained, and by which runs that are there already are recognized.

    Args:
        where: names of device and backend.
    """

    kind: Task
    source: Any
    asked: Settings
    parent: RunDirectory | None
    times: int
    where: tuple[str, str]
    report: ProgressCallback | None

    @property
    def seeds(self) -> range:
        """The given one and those after it."""
        first = self.asked.train.seed
        return range(first, first + self.times)

    def names(self, base: str) -> list[str]:
        """Of the runs, in order."""
        return [f"{base}-seed-{seed}" for seed in self.seeds]

    def is_member(self, run: RunDirectory, first: RunDirectory) -> bool:
        """Whether a run was trained on these data with these settings.

        Args:
            first: the first run of them, from which sizes that were measured are taken over.
        """
        from charlm.machine.device import choose_device

        mine = run.settings
        if run.record.task != self.kind.name:
            return False
        asked = replace(self.asked, train=replace(self.asked.train, seed=mine.train.seed))
        measured = self.kind.measured_settings(first, asked)
        given = {**asked.given, **measured}
        _, _, asked = choose_settings(self.kind.name, asked.preset, self.parent, given)
        asked = replace(asked, train=replace(asked.train, seed=mine.train.seed))
        dataset = self.kind.read(self.source, asked, self.parent, self.report)
        if dataset.corpus["sha256"] != run.record.corpus["sha256"]:
            return False
        device, backend = choose_device(self.where[0]), self.where[1]
        asked = dataset.choose_settings(asked, self.parent, device, backend, lambda choice: None)
        return mine == with_what_the_machine_chose(asked, mine)

    def find_base(self, folder: Path) -> str:
        """The name of such a repetition that was interrupted, or a free one."""
        dataset = self.kind.read(self.source, self.asked, self.parent, self.report)
        stem, taken = f"{dataset.name}-{self.asked.model.cell}", names_in(folder)
        for base in free_names(folder, stem):
            there = find_those_there(folder, self.names(base))
            if not there and not any(name.startswith(f"{base}-seed-") for name in taken):
                return base
            runs = [run.directory for run in there.values()]
            open_ones = len(there) < self.times or not all(map(has_ended, there.values()))
            free = not any(is_locked(run.path) for run in runs)
            if runs and open_ones and free and all(self.is_member(r, runs[0]) for r in runs):
                return base
        raise AssertionError("there is always a free name")
