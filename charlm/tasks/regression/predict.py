"""Numbers for rows whose target nobody knows."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, tee
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError, UsageError
from charlm.rnn.encoder import Encoder
from charlm.tables.table import Cell, Row, Table
from charlm.tasks.regression.reading import numbers_of
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.texts import encode_texts
from charlm.tasks.supervised.training import all_outputs

# Rows that are read before they are predicted together.
READ_TOGETHER = 4096


def predict(run: RegressionRun, model: Encoder, inputs: Iterable[Any]) -> Iterator[float | None]:
    """The number of each row or text, in the target's units, in order, as they come.

    None for a row that lacks a value, unless the run fills these with means, and for an empty text.
    Of a series' rows see `forecast`, whose numbers these are.

    Raises:
        CorpusError: a column is not there, or holds no number.
        UsageError: a row is no mapping, or a text is one.
    """
    if run.regression.window is not None:
        yield from (each.number for each in forecast(run, model, inputs))
        return
    inputs, done = iter(inputs), 0
    while piece := list(islice(inputs, READ_TOGETHER)):
        if run.regression.reads_texts:
            yield from predict_texts(run, model, [text_of(run, each) for each in piece])
        else:
            yield from predict_rows(run, model, [cells_of(run, each) for each in piece], done)
        done += len(piece)


def predict_texts(run: RegressionRun, model: Encoder, texts: list[str]) -> list[float | None]:
    """The number of each text."""
    encoded = list(encode_texts(iter(texts), run.vocabulary, run.regression))
    rows = [row for row, ids in enumerate(encoded) if len(ids)]
    found: list[float | None] = [None] * len(texts)
    if rows:
        numbers = outputs(run, model, Sequences.of(encoded[row] for row in rows))
        for row, number in zip(rows, numbers, strict=True):
            found[row] = number
    return found


def predict_rows(
    run: RegressionRun, model: Encoder, rows: list[dict[str, str]], done: int
) -> list[float | None]:
    """The number of each row; `done` rows came before."""
    columns = run.scaler.columns
    numbered = enumerate(rows, done + 1)
    inputs = np.array([numbers_of(row, columns, "The table", number) for number, row in numbered])
    found = outputs(run, model, Sequences.of_single_steps(run.scaler.scale(inputs)))
    lacking = np.isnan(inputs).any(1) & (run.regression.missing != "mean")
    return [None if lacks else number for lacks, number in zip(lacking, found, strict=True)]


def outputs(run: RegressionRun, model: Encoder, sequences: Sequences) -> list[float | None]:
    """What a model says of sequences, in the target's units; None for what is no number."""
    values = run.scaler.unscale_target(all_outputs(model, sequences)[:, 0]).tolist()
    return [None if math.isnan(value) else value for value in values]


def cells_of(run: RegressionRun, row: Any) -> dict[str, str]:
    """A row as cells.

    Raises:
        UsageError: it is a text.
    """
    if isinstance(row, str):
        raise UsageError(
            f"The run '{run.name}' predicts from columns of numbers, not from a text.",
            "Give a table, or rows.",
        )
    return {name: "" if value is None else str(value) for name, value in row.items()}


def text_of(run: RegressionRun, given: Any) -> str:
    """A text that was given as such, or as the column of a row.

    Raises:
        CorpusError: the row has no such column.
    """
    if isinstance(given, str):
        return given
    column = run.record.corpus["columns"][0]
    if column not in given:
        raise CorpusError(f"The table has no column '{column}', which the model reads.")
    return str(given[column])


# Series


@dataclass(frozen=True)
class Forecast:
    """What is said of one row of a series.

    Args:
        row: as it came; None beyond the last one.
        number: predicted from rows that are `horizon` or more before it; None where there are too
            few of these, or they lack a value.
        time: of a row beyond the last one, its time, if times are known.
        group: of a row beyond the last one, its series, if there are several.
    """

    row: Row | None
    number: float | None
    time: str = ""
    group: str = ""


@dataclass
class Past:
    """The last rows of one series.

    Attributes:
        inputs: as a model reads them, (I,) each; None for a row that lacks a value.
        time: of the last row.
    """

    inputs: "deque[npt.NDArray[np.float32] | None]"
    time: float | None = None

    def window(self, size: int, back: int) -> npt.NDArray[np.float32] | None:
        """So many rows, the last of them `back` before the end, (size, I); None if not whole."""
        stop = len(self.inputs) - back
        if stop < size:
            return None
        rows = [each for each in islice(self.inputs, stop - size, stop) if each is not None]
        return np.stack(rows) if len(rows) == size else None


def forecast(run: RegressionRun, model: Encoder, rows: Iterable[Any]) -> Iterator[Forecast]:
    """For each row of a series what was to be expected, and the rows past the last one.

    Every number is predicted from the window that ends `horizon` rows before. So what is said of a
    row does not depend on it, and `horizon` rows follow of which nobody knows anything yet. Rows of
    several series may be mixed; each goes on at the end. Memory is that of the last windows.

    Args:
        rows: in the order of time.

    Raises:
        CorpusError: a column is not there or holds no number, or rows are not in order.
    """
    config, clock, horizon = run.regression, run.clock, run.regression.horizon
    size = config.window or 1
    pasts: dict[str, Past] = {}
    waiting: list[tuple[Forecast, npt.NDArray[np.float32] | None]] = []
    for number, given in enumerate(rows, 1):
        row = cells_of(run, given)
        group = row.get(config.group_column, "") if config.group_column else ""
        past = pasts.setdefault(group, Past(deque(maxlen=size + horizon)))
        if clock is not None and config.time_column is not None:
            go_on_to(past, clock_time(run, row), number, run)
        waiting.append((Forecast(given, None), past.window(size, horizon - 1)))
        past.inputs.append(read_inputs(run, row, number))
        if len(waiting) == READ_TOGETHER:
            yield from answered(run, model, waiting)
            waiting = []
    for group, past in pasts.items():
        for ahead in range(1, horizon + 1):
            time = ""
            if clock is not None and past.time is not None:
                time = clock.write(past.time + ahead * clock.step)
            window = past.window(size, horizon - ahead)
            waiting.append((Forecast(None, None, time, group), window))
    yield from answered(run, model, waiting)


def clock_time(run: RegressionRun, row: Row) -> float:
    """The time of a row.

    Raises:
        CorpusError: it has none.
    """
    clock, column = run.clock, run.regression.time_column
    assert clock is not None and column is not None
    if column not in row:
        raise CorpusError(f"The table has no column '{column}', which says when a row is.")
    return clock.read(row[column], column)


def go_on_to(past: Past, time: float, number: int, run: RegressionRun) -> None:
    """Set the time of the last row; after a gap nothing before it counts.

    Raises:
        CorpusError: it is not later than the one before.
    """
    if past.time is not None:
        assert run.clock is not None
        if time <= past.time:
            raise CorpusError(
                f"Row {number:,} of the table is not later than the one before.",
                f"Sort it by '{run.regression.time_column}'.",
            )
        if run.clock.is_gap(time - past.time):
            past.inputs.clear()
    past.time = time


def read_inputs(run: RegressionRun, row: Row, number: int) -> npt.NDArray[np.float32] | None:
    """A row as a model reads it, (I,); None where it lacks a value that the run does not fill."""
    inputs = np.array(numbers_of(row, run.scaler.columns, "The table", number))
    if run.regression.missing != "mean" and np.isnan(inputs).any():
        return None
    return run.scaler.scale(inputs)


def answered(
    run: RegressionRun,
    model: Encoder,
    waiting: list[tuple[Forecast, npt.NDArray[np.float32] | None]],
) -> Iterator[Forecast]:
    """Forecasts with their numbers, each from its window (size, I), if there is one."""
    windows = [window for _, window in waiting if window is not None]
    found = iter(outputs(run, model, Sequences.of(windows)) if windows else ())
    for each, window in waiting:
        yield each if window is None else replace(each, number=next(found))


def predicted_table(
    run: RegressionRun, model: Encoder, table: Table, text_column: str | None
) -> Iterator[tuple[Row, dict[str, Cell]]]:
    """Each row of a table with the cell of its number, and rows past the end of a series.

    Raises:
        CorpusError: a column is not there, or holds no number.
        UsageError: a column of texts for numbers that are predicted from numbers.
    """
    name = f"predicted {run.scaler.target}"
    if text_column is not None and not run.regression.reads_texts:
        raise UsageError(
            f"The run '{run.name}' predicts from columns of numbers.", "Leave out --text-column."
        )
    if run.regression.window is None:
        given, rows = tee(table)
        inputs: Iterator[Any] = rows
        if run.regression.reads_texts:
            usual = run.record.corpus["columns"][0]
            column = table.column(text_column or usual, "--text-column")
            inputs = (row[column] for row in rows)
        for row, number in zip(given, predict(run, model, inputs), strict=True):
            yield row, {name: number}
        return
    config = run.regression
    for each in forecast(run, model, table):
        told = {config.time_column: each.time, config.group_column: each.group}
        past_the_end = {column: told.get(column, "") for column in table.columns}
        yield each.row or past_the_end, {name: each.number}
