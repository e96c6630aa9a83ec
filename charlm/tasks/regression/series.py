"""Series: rows in the order of time, the gaps between them, and the windows that cross none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import DataConfig
from charlm.errors import CorpusError
from charlm.tables.parts import TEST, TRAIN, VAL, Parts, share

Ids = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]

# A step between two rows is usual if it makes at least this share of all steps, such as those over
# a weekend; what is longer than the longest usual step by more than half of it is a gap.
USUAL, GAP = 0.05, 1.5
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Clock:
    """How the cells of a time column become numbers, and numbers become cells.

    Args:
        kind: "number", "date" (days), "month" (months, each on the same day) or "moment" (seconds).
        step: the most frequent step between rows.
        longest: the longest usual step.
        day: of "month": the day of every date; 0 where the cells say year and month alone.
    """

    kind: str
    step: float
    longest: float
    day: int = 1

    @classmethod
    def fit(cls, cells: Sequence[str], column: str) -> "Clock":
        """The clock that reads all cells of a column; its steps are yet to be measured.

        Raises:
            CorpusError: some are neither numbers nor dates.
        """
        if all(is_number(each) for each in cells):
            return cls("number", 1.0, 1.0)
        for cell in cells:
            if moment_of(cell) is None:
                raise CorpusError(
                    f"The column '{column}' has '{cell}', which is neither a number nor a date.",
                    "Write dates as 2026-01-31, with 2026-01-31T12:00 for a time of day.",
                )
        if any(len(each.strip()) > len("2026-01-31") for each in cells):
            return cls("moment", 1.0, 1.0)
        days = {
            0 if len(each.strip()) == len("2026-01") else int(each.strip()[-2:]) for each in cells
        }
        if len(days) == 1 and len(cells) > 1:
            return cls("month", 1.0, 1.0, days.pop())
        return cls("date", 1.0, 1.0)

    def read(self, cell: str, column: str) -> float:
        """The number of a cell.

        Raises:
            CorpusError: it cannot be read as the others were.
        """
        found = moment_of(cell)
        if self.kind == "number":
            if is_number(cell):
                return float(cell)
        elif found is not None and self.kind == "month":
            if self.day in (0, found.day):
                return float(found.year * 12 + found.month - 1)
        elif found is not None:
            seconds = (found - EPOCH).total_seconds()
            return seconds if self.kind == "moment" else seconds / SECONDS_A_DAY
        kinds = {"number": "no number", "month": "no date like the others"}
        raise CorpusError(
            f"The column '{column}' has '{cell}', which is {kinds.get(self.kind, 'no date')}.",
            "Write all its cells alike.",
        )

    def write(self, time: float) -> str:
        """The cell of a number."""
        if self.kind == "number":
            return str(int(time)) if time == int(time) else repr(time)
        if self.kind == "month":
            year, month = divmod(round(time), 12)
            return f"{year:04}-{month + 1:02}" + (f"-{self.day:02}" if self.day else "")
        seconds = time if self.kind == "moment" else time * SECONDS_A_DAY
        moment = EPOCH + timedelta(seconds=seconds)
        return moment.date().isoformat() if self.kind == "date" else moment.isoformat()[:-6]

    def with_steps(self, steps: Times) -> "Clock":
        """The same clock, with the usual steps of some rows in order."""
        if not len(steps):
            return self
        counts = Counter(steps.tolist())
        step, _ = counts.most_common(1)[0]
        usual = [each for each, n in counts.items() if n >= USUAL * len(steps)]
        return Clock(self.kind, step, max([step, *usual]), self.day)

    def is_gap(self, steps: Any) -> Any:
        """Whether there is something missing within a step, or within each of several."""
        return steps > GAP * self.longest

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Clock":
        """The inverse of `to_json`.

        Raises:
            ValueError: it is not what `to_json` writes.
        """
        try:
            kind, day = str(values["kind"]), int(values["day"])
            clock = cls(kind, float(values["step"]), float(values["longest"]), day)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no clock ({error})") from None
        if kind not in ("number", "date", "month", "moment") or not 0 < clock.step < np.inf:
            raise ValueError("a clock has a kind and a step")
        return clock


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def moment_of(cell: str) -> datetime | None:
    """The moment of a date such as 2026-01-31, 2026-01 or 2026-01-31T12:00; None if it is none.

    Where no time zone is given, UTC is meant, in which every day has as many hours.
    """
    text = cell.strip()
    try:
        if len(text) == len("2026-01"):
            day = date.fromisoformat(f"{text}-01")
            return datetime(day.year, day.month, 1, tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Order:
    """The rows of one or several series in the order of time.

    Args:
        rows: their numbers, (rows,), the series one behind the other.
        breaks: of each row after the first in that order, whether something is missing before it,
            or another series ends there, (rows - 1,).
        clock: None where there is no time column.
        gaps: the cells before and after each gap.
    """

    rows: Ids
    breaks: npt.NDArray[np.bool_]
    clock: Clock | None
    gaps: tuple[tuple[str, str], ...]

    @property
    def was_sorted(self) -> bool:
        """Whether the rows came in this order."""
        return bool((np.diff(self.rows) > 0).all())


def put_in_order(series: Ids, cells: Sequence[str] | None, column: str | None) -> Order:
    """Sort rows by series, and within each by time.

    Args:
        series: of each row the number of its series, (rows,).
        cells: of each row the time; None: they come in order.
        column: its name.

    Raises:
        CorpusError: cells that are no times, or two rows of one series at the same time.
    """
    if cells is None or column is None:
        rows = np.argsort(series, kind="stable")
        return Order(rows, np.diff(series[rows]) != 0, None, ())
    clock = Clock.fit(cells, column)
    times = np.array([clock.read(each, column) for each in cells])
    rows = np.lexsort((times, series))
    steps, changes = np.diff(times[rows]), np.diff(series[rows]) != 0
    if (twice := np.flatnonzero((steps == 0) & ~changes)).size:
        raise CorpusError(
            f"The column '{column}' has '{cells[rows[twice[0]]]}' in two rows.",
            "Give each row a time of its own, or name the column that says which series a row is "
            "of with --group-column.",
        )
    clock = clock.with_steps(steps[~changes])
    missing = clock.is_gap(steps) & ~changes
    gaps = [(cells[rows[i]], cells[rows[i + 1]]) for i in np.flatnonzero(missing).tolist()]
    return Order(rows, changes | missing, clock, tuple(gaps))


def draw_spans(known: Sequence[int | None], config: DataConfig) -> Parts:
    """Parts of a series' rows, (rows,): first those for training, then val, then test.

    Args:
        known: of each row its part, where something says it; else None.
        config: says the shares of the rows, where nothing says which these are.
    """
    parts = np.array([TRAIN if each is None else each for each in known], dtype=np.uint8)
    told = {each for each in known if each is not None}
    free = np.flatnonzero(parts == TRAIN)
    n_test = 0 if TEST in told else share(len(free), config.test_fraction)
    n_val = 0 if VAL in told else share(len(free), config.val_fraction)
    stop = len(free) - n_test
    parts[free[stop:]] = TEST
    parts[free[stop - n_val : stop]] = VAL
    return parts


def windows_of(
    breaks: npt.NDArray[np.bool_],
    lacking: npt.NDArray[np.bool_],
    unknown: npt.NDArray[np.bool_],
    window: int,
    horizon: int,
) -> Ids:
    """Where the windows begin that cross no break, (windows,).

    A window is so many rows of inputs, and a target that stands `horizon` rows after the last of
    them. Between breaks, n rows have n - window - horizon + 1 windows.

    Args:
        breaks: of each row after the first, whether no window crosses from the one before to it.
        lacking: of each row, whether it lacks an input; no window reads it then.
        unknown: of each row, whether it lacks the target; it is none then.
    """
    n, span = len(lacking), window + horizon
    if n < span:
        return np.empty(0, dtype=np.int64)
    first = np.arange(n - span + 1)
    broken, lacks = (np.concatenate([[0], np.cumsum(each)]) for each in (breaks, lacking))
    whole = broken[first + span - 1] == broken[first]
    whole &= (lacks[first + window] == lacks[first]) & ~unknown[first + span - 1]
    starts: Ids = first[whole]
    return starts
