"""The rows of a table with a number to predict, and what it is predicted from."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.tables.parts import NAMES, Parts
from charlm.tables.table import Digest, Row, Table
from charlm.tasks.regression.series import Order, draw_spans, put_in_order
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.rows import RowKeeper, Sources
from charlm.tasks.supervised.texts import TextCollector

MISSING = ("", "na", "n/a", "nan", "null", "none")
Floats = npt.NDArray[np.float64]


@dataclass
class NumberRows:
    """Rows as they were read; those of a series in the order of time.

    Args:
        columns: names of the inputs: of numbers, or the one of texts.
        inputs: (rows, I); NaN where a value is missing. Of texts (rows, 0).
        texts: where numbers are predicted from texts.
        values: of the target, (rows,); NaN where it is missing.
        parts: of each row.
        groups: of each row, where a column says it.
        order: of a series: how its rows were sorted, and where it breaks off.
        times: of a series, the cells of its time column, in that order.
        missing: how many rows lack a value.
        empty: how many had no text, and were left out.
        encoding: in which they were read.
        notes: what to know of that.
    """

    name: str
    columns: tuple[str, ...]
    target: str
    inputs: Floats
    texts: TextCollector | None
    values: Floats
    parts: Parts
    groups: list[str] | None
    order: Order | None
    times: list[str]
    source: list[str]
    sha256: str
    missing: int
    empty: int
    encoding: str
    notes: tuple[str, ...]


def number_of(cell: str, column: str, table: str, row: int) -> float:
    """The number in a cell; NaN where it is missing.

    Raises:
        CorpusError: it is no number, or infinite.
    """
    if cell.strip().lower() in MISSING:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        number = math.inf
    if math.isinf(number):
        raise CorpusError(
            f"{table} has '{cell}' in the column '{column}' of row {row:,}, which is no number.",
            "Leave it out (--input-columns), mend it, or name it: --time-column, --text-column.",
        )
    return number


def columns_of(table: Table, config: RegressionConfig) -> tuple[tuple[str, ...], str]:
    """The columns of the inputs, and that of the target.

    Raises:
        CorpusError: one of them is not there, or there is none to predict from.
    """
    target = table.column(config.target_column or table.columns[-1], "--target-column")
    if config.text_column is not None:
        text = table.column(config.text_column, "--text-column")
        if text == target:
            raise CorpusError(f"The column '{target}' cannot be predicted from itself.")
        return (text,), target
    for column, option in (
        (config.group_column, "--group-column"),
        (config.time_column, "--time-column"),
    ):
        if column is not None:
            table.column(column, option)
    others = {config.split_column, config.group_column, config.time_column}
    if config.input_columns is not None:
        named = [each.strip() for each in config.input_columns.split(",")]
        columns = tuple(table.column(each, "--input-columns") for each in named)
    else:
        columns = tuple(each for each in table.columns if each not in others)
        if config.window is None:
            columns = tuple(each for each in columns if each != target)
    if target in columns and config.window is None:
        raise CorpusError(f"The column '{target}' cannot be predicted from itself.")
    if not columns:
        raise CorpusError(f"{table.name} has no column to predict '{target}' from.")
    return columns, target


def numbers_of(row: Row, columns: Iterable[str], table: str, number: int) -> list[float]:
    """The numbers of a row; NaN for what is missing.

    Raises:
        CorpusError: a column is not there, or holds no number.
    """
    found = []
    for column in columns:
        if column not in row:
            raise CorpusError(f"{table} has no column '{column}', which the model reads.")
        found.append(number_of(row[column], column, table, number))
    return found


def read_numbers(
    source: Any, config: RegressionConfig, seed: int, needs_targets: bool = True
) -> NumberRows:
    """Read all rows, and draw the part of each that is not known to belong to one.

    Args:
        needs_targets: whether a row that lacks its target is an error under --missing mean too,
            and not left out.

    Raises:
        CorpusError: no such columns, no numbers, or missing values where these are an error.
    """
    sources = Sources.open(source, config)
    table, is_series = sources.main, config.window is not None
    columns, target = columns_of(table, config)
    numeric = () if config.reads_texts else columns
    texts = TextCollector(config) if config.reads_texts else None
    inputs, values, missing = array("d"), array("d"), array("q")
    kept, times, digest = RowKeeper(config.group_column), list[str](), Digest()
    empty = 0
    for number, (row, part) in enumerate(sources.rows(config), 1):
        found = numbers_of(row, (*numeric, target), table.name, number)
        if any(map(math.isnan, found)):
            missing.append(number)
            unknown = math.isnan(found[-1])
            if unknown and config.missing == "mean" and needs_targets and not is_series:
                raise CorpusError(
                    f"{table.name} has no '{target}' in row {number:,}.",
                    "A target cannot be filled in: use --missing drop, or leave the row out.",
                )
            if not is_series and (unknown or config.missing != "mean"):
                continue
        if texts is not None and not texts.add(row[columns[0]]):
            empty += 1
            continue
        inputs.extend(found[:-1])
        values.append(found[-1])
        kept.add(row, part)
        time = row[config.time_column] if config.time_column else ""
        if config.time_column:
            times.append(time)
        digest.add(*map(repr, found), *(row[each] for each in columns if texts), time)
        digest.add(*kept.last)
    if config.missing == "error":
        check_missing(table.name, missing)
    if len(values) < 2:
        raise CorpusError(f"{table.name} has fewer than two rows.", "Give a table with more.")
    read = NumberRows(
        name=sources.name,
        columns=columns,
        target=target,
        inputs=np.frombuffer(inputs, dtype=np.float64).reshape(len(values), len(numeric)),
        texts=texts,
        values=np.frombuffer(values),
        parts=np.empty(0, dtype=np.uint8),
        groups=kept.groups,
        order=None,
        times=times,
        source=sources.again,
        sha256=digest.hexdigest(),
        missing=len(missing),
        empty=empty,
        encoding=table.encoding,
        notes=table.notes,
    )
    if is_series:
        return in_order(read, config, kept, seed)
    read.parts = kept.parts([""] * len(values), config, seed)
    return read


def in_order(read: NumberRows, config: RegressionConfig, kept: RowKeeper, seed: int) -> NumberRows:
    """The rows of a series, sorted, and the part of each.

    One series is cut in spans: its beginning is what is learned from. Of several, whole ones are
    held out.
    """
    known, groups = kept.known, kept.groups
    series = kept.numbers
    if config.split_column is None:  # what is known then are files of their own
        series = series * len(NAMES) + np.array([each or 0 for each in known])
    order = put_in_order(series, read.times or None, config.time_column)
    if groups is None:
        parts = draw_spans([known[row] for row in order.rows.tolist()], config)
    else:
        parts = kept.parts([""] * len(known), config, seed)[order.rows]
        groups = [groups[row] for row in order.rows.tolist()]
    return replace(
        read,
        inputs=read.inputs[order.rows],
        values=read.values[order.rows],
        times=[read.times[row] for row in order.rows.tolist()] if read.times else [],
        groups=groups,
        parts=parts,
        order=order,
    )


def check_missing(table: str, missing: "array[int]") -> None:
    """Raise CorpusError if rows lack values."""
    if not missing:
        return
    named = ", ".join(f"{each:,}" for each in missing[:8])
    more = f" and {len(missing) - 8:,} more" if len(missing) > 8 else ""
    raise CorpusError(
        f"{table} lacks values in row {named}{more}.", "Use --missing mean or --missing drop."
    )
