"""Scores of several runs side by side, with intervals, and what one text can tell of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charlm.html.notebook import HasSections
from charlm.scoring.intervals import LEVEL, Estimate
from charlm.scoring.score import Figure
from charlm.sections import Grid, Section, Value

# Settings that are named beside a run; of more, all stand in the table of settings.
NAMED = 3
# What the table of settings leaves to the table of scores, and to JSON.
ELSEWHERE = ("parameters", "created")
SHA256 = 64  # characters of a hash, of which the first tell it from others
CAVEAT = (
    "The intervals are of these trained nets, on data that go on just like what was scored: "
    "another part of a book may be easier or harder. Nor do they say how other trainings with the "
    "same settings would come out: for that, train with --repeat."
)
CHOSEN = "The best weights were chosen on val, so that scores of it are a little too good."


@dataclass(frozen=True)
class ComparedRun:
    """A run among others.

    Args:
        estimate: its held-out score, as the figure that runs are compared by; None without one.
        unit: that figure in words, such as "bits per character".
        figures: all figures of its score.
        differs: its settings in which not all of the runs are alike.
        columns: all that runs may differ in, by name.
        item: what was scored, such as "character".
        items_per_second: in training.
    """

    name: str
    estimate: Estimate | None
    unit: str
    figure: Figure
    figures: tuple[Figure, ...]
    differs: Mapping[str, Any]
    columns: Mapping[str, Any]
    item: str
    parameters: int
    items_per_second: float | None
    minutes: float | None

    @property
    def value(self) -> float:
        """The figure; NaN without a score."""
        return math.nan if self.estimate is None else self.estimate.value

    @property
    def named(self) -> str:
        """The first of the settings in which it differs."""
        words = [f"{name}={value}" for name, value in self.differs.items()]
        more = [f"and {len(words) - NAMED} more"] if len(words) > NAMED else []
        return ", ".join([*words[:NAMED], *more])

    def to_json(self) -> dict[str, Any]:
        told = None if self.estimate is None else self.estimate.to_json()
        counted = {"items_per_second": self.items_per_second, "minutes": self.minutes}
        about = {"compared_by": self.figure.key, "estimate": told}
        return {**self.columns, **about, **counted, "differs": dict(self.differs)}


@dataclass(frozen=True)
class Difference:
    """A run beside the best one, on the same items.

    Args:
        estimate: its figure less the best one's; None where they cannot be paired.
        reasons: why not, as sentences.
    """

    run: str
    best: str
    figure: Figure
    estimate: Estimate | None
    reasons: tuple[str, ...] = ()

    @property
    def is_worse(self) -> bool | None:
        """Whether the interval says so; None without one."""
        if self.estimate is None or self.estimate.interval is None:
            return None
        low, high = self.estimate.interval.low, self.estimate.interval.high
        return high < 0 if self.figure.more_is_better else low > 0

    @property
    def verdict(self) -> str:
        """The same in words."""
        return {None: "-", True: "worse", False: "cannot be told apart"}[self.is_worse]

    def to_json(self) -> dict[str, Any]:
        told = None if self.estimate is None else self.estimate.to_json()
        about = {"run": self.run, "best": self.best, "difference": told}
        return {**about, "is_worse": self.is_worse, "reasons": list(self.reasons)}


@dataclass(frozen=True)
class Comparison(HasSections):
    """Several runs, the best first; those without a score last.

    Args:
        differences: of each other run to the best, if intervals were asked for.
        reasons: why scores do not compare, as sentences.
    """

    runs: tuple[ComparedRun, ...]
    differences: tuple[Difference, ...]
    reasons: tuple[str, ...]

    @property
    def unit(self) -> str | None:
        """The figure that all runs are compared by; None where it is not the same."""
        units = {run.unit for run in self.runs}
        return units.pop() if len(units) == 1 else None

    @property
    def scores(self) -> Grid:
        """A row for each run."""
        same, decimals = self.unit, decimals_of([run.value for run in self.runs])
        items = {run.item for run in self.runs}
        rows: list[tuple[Value, ...]] = []
        for run in self.runs:
            shown, interval = in_words(run.estimate, decimals)
            row: list[Value] = [run.name, run.named or "-"]
            row += [shown if same else f"{shown} {run.unit}", interval, run.parameters]
            row += [None if run.items_per_second is None else round(run.items_per_second)]
            rows.append((*row, "-" if run.minutes is None else f"{run.minutes:.1f}"))
        speed = f"{items.pop()}s/s" if len(items) == 1 else "items/s"
        columns = ("run", "differs in", same or "score", f"{LEVEL:.0%} interval")
        return Grid((*columns, "parameters", speed, "minutes"), rows, names=2)

    @property
    def paired(self) -> Grid | None:
        """A row for each difference to the best run; None where there is none."""
        found = [each for each in self.differences if each.estimate is not None]
        if not found:
            return None
        best, bounds = found[0].best, list[float]()
        for each in found:
            if each.estimate is not None and each.estimate.interval is not None:
                bounds += [each.estimate.interval.low, each.estimate.interval.high]
        decimals = decimals_of(bounds)
        rows = [(each.run, *in_words(each.estimate, decimals, "+"), each.verdict) for each in found]
        columns = ("run", f"difference to '{best}'", f"{LEVEL:.0%} interval")
        return Grid((*columns, f"on these {self.runs[0].item}s"), rows)

    @property
    def settings(self) -> Grid:
        """What the runs differ in, a column for each run, and all figures of their scores."""
        columns = [run.columns for run in self.runs]
        always = {"name", "split"} | {f"{run.item}s_scored" for run in self.runs}
        always |= {each.key for run in self.runs for each in run.figures}
        names = list(dict.fromkeys(name for each in columns for name in each))
        rows = [
            (name, *(cell_of(each.get(name)) for each in columns))
            for name in names
            if name not in ELSEWHERE
            and (name in always or len({str(each.get(name)) for each in columns}) > 1)
        ]
        return Grid([str(each) for each in rows[0]], rows[1:])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about intervals: which are missing, and which to take with care."""
        told = [(run.name, run.estimate) for run in self.runs]
        told += [(f"{each.run} less {each.best}", each.estimate) for each in self.differences]
        notes = [f"{name}: {each.note}" for name, each in told if each is not None and each.note]
        if not any(each is not None and each.interval is not None for _, each in told):
            return tuple(notes)
        chosen = any(run.columns.get("split") == "val" for run in self.runs)
        return (*notes, *([CHOSEN] if chosen else []), CAVEAT)

    def sections(self) -> Iterator[Section]:
        """Its tables, and the reasons why scores do not compare."""
        yield self.scores
        if self.paired is not None:
            yield self.paired
        yield self.settings
        yield from self.reasons

    def to_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "runs": [run.to_json() for run in self.runs],
            "differences": [each.to_json() for each in self.differences],
            "reasons": list(self.reasons),
        }


def in_words(estimate: Estimate | None, decimals: int, sign: str = "") -> tuple[str, str]:
    """A figure and its interval, with so many decimals; dashes for what there is not."""
    if estimate is None or math.isnan(estimate.value):
        return "-", "-"
    shown = f"{estimate.value:{sign}.{decimals}f}"
    if estimate.interval is None:
        return shown, "-"
    low, high = estimate.interval.low, estimate.interval.high
    return shown, f"{low:{sign}.{decimals}f} to {high:{sign}.{decimals}f}"


def decimals_of(values: Sequence[float]) -> int:
    """How many decimals show five digits of the largest of some values, 4 at most."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 4 if largest < 1 else max(0, 4 - math.floor(math.log10(largest)))


def cell_of(value: Any) -> Value:
    """Any value for a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, str) and len(value) == SHA256:
        return value[:12]
    return value if value is None or isinstance(value, int) else str(value)
