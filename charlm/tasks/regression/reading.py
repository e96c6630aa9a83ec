"""Rows of numbers, read from a table."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.tables.parts import NAMES, Parts
from charlm.tables.table import Row, Table, digest_of
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.rows import Sources, assign_parts

MISSING = ("", "na", "n/a", "nan", "null", "none")
Floats = npt.NDArray[np.float64]


@dataclass
class NumberRows:
    """Rows as they were read.

    Args:
        inputs: (rows, I); NaN where a value is missing.
        values: of the target, (rows,).
        missing: how many rows lack something.
    """

    name: str
    columns: tuple[str, ...]
    target: str
    inputs: Floats
    values: Floats
    parts: Parts
    source: list[str]
    sha256: str
    missing: int


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
            "Leave the column out (--input-columns), or mend the row.",
        )
    return number


def columns_of(table: Table, config: RegressionConfig) -> tuple[tuple[str, ...], str]:
    """The columns of the inputs, and that of the target.

    Raises:
        CorpusError: one of them is not there, or there is none to predict from.
    """
    target = table.column(config.target_column or table.columns[-1], "--target-column")
    if config.input_columns is not None:
        named = [each.strip() for each in config.input_columns.split(",")]
        columns = tuple(table.column(each, "--input-columns") for each in named)
        if target in columns:
            raise CorpusError(f"The column '{target}' cannot be predicted from itself.")
        return columns, target
    others = {target, config.split_column, config.group_column}
    columns = tuple(each for each in table.columns if each not in others)
    if not columns:
        raise CorpusError(f"{table.name} has no column to predict '{target}' from.")
    return columns, target


def inputs_of(row: Row, columns: Iterable[str], table: str, number: int) -> list[float]:
    """The inputs of a row; NaN for what is missing.

    Raises:
        CorpusError: a column is not there, or holds no number.
    """
    found = []
    for column in columns:
        if column not in row:
            raise CorpusError(f"{table} has no column '{column}', which the model reads.")
        found.append(number_of(row[column], column, table, number))
    return found


def read_numbers(source: Any, config: RegressionConfig, seed: int) -> NumberRows:
    """Read all rows, and draw the part of each that is not known to belong to one.

    Raises:
        CorpusError: no such columns, no numbers, or missing values where these are an error.
    """
    sources = Sources.open(source, config)
    table = sources.main
    columns, target = columns_of(table, config)
    inputs, values, known, groups, missing = [], [], list[int | None](), [], []
    for number, (row, part) in enumerate(sources.rows(config), 1):
        found = inputs_of(row, (*columns, target), table.name, number)
        lacks = any(map(math.isnan, found))
        if lacks:
            missing.append(number)
        if lacks and config.missing == "drop":
            continue
        if math.isnan(found[-1]) and config.missing == "mean":
            raise CorpusError(
                f"{table.name} has no '{target}' in row {number:,}.",
                "A target cannot be filled in: use --missing drop, or leave the row out.",
            )
        inputs.append(found[:-1])
        values.append(found[-1])
        known.append(part)
        groups.append(row[config.group_column] if config.group_column else "")
    if missing and config.missing == "error":
        named = ", ".join(f"{each:,}" for each in missing[:8])
        more = f" and {len(missing) - 8:,} more" if len(missing) > 8 else ""
        raise CorpusError(
            f"{table.name} lacks values in row {named}{more}.",
            "Use --missing mean or --missing drop.",
        )
    if len(values) < 2:
        raise CorpusError(f"{table.name} has fewer than two rows.", "Give a table with more.")
    strata = [""] * len(values)
    parts = assign_parts(known, strata, groups if config.group_column else None, config, seed)
    lines = (
        [*map(repr, row), repr(value), NAMES[part]]
        for row, value, part in zip(inputs, values, parts.tolist(), strict=True)
    )
    return NumberRows(
        name=sources.name,
        columns=columns,
        target=target,
        inputs=np.array(inputs),
        values=np.array(values),
        parts=parts,
        source=sources.again,
        sha256=digest_of(lines),
        missing=len(missing),
    )
