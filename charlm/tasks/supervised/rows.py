"""The rows of a user's tables, and the part of the data that each belongs to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charlm.errors import CorpusError
from charlm.tables.parts import TEST, TRAIN, VAL, WORDS, Parts, draw_parts
from charlm.tables.sources import open_table
from charlm.tables.table import Row, Table
from charlm.tables.trees import PART_COLUMN
from charlm.tasks.supervised.settings import TableConfig


@dataclass(frozen=True)
class Sources:
    """The tables of a run.

    Args:
        main: whose rows are split, unless something says where they belong.
        held_out: tables whose rows are the part that they stand for.
    """

    main: Table
    held_out: dict[int, Table]

    @classmethod
    def open(cls, source: Any, config: TableConfig) -> "Sources":
        """Open what the user named.

        Args:
            source: files, a folder, "-", or data as `Table.of` takes them.

        Raises:
            CorpusError: something is missing, or no table.
        """
        is_name = isinstance(source, str | Path)
        is_names = isinstance(source, list | tuple) and all(
            isinstance(each, str | Path) for each in source
        )
        if isinstance(source, Table):
            main = source
        elif is_name or (is_names and source):
            main = open_table(source, config.encoding)
        else:
            main = Table.of(source)
        given = {VAL: config.val, TEST: config.test}
        held_out = {part: open_table(file, config.encoding) for part, file in given.items() if file}
        return cls(main, held_out)

    @property
    def name(self) -> str:
        """What people call the data."""
        return self.main.name

    @property
    def again(self) -> list[str]:
        """Where the main table can be read again; nothing where it cannot."""
        return list(self.main.source)

    def rows(self, config: TableConfig) -> Iterator[tuple[Row, int | None]]:
        """All rows, and the part that each is known to belong to, or None.

        Raises:
            CorpusError: the column that says so has no such word.
        """
        column = config.split_column
        if column is None and not self.held_out and PART_COLUMN in self.main.columns:
            column = PART_COLUMN  # of a folder that has parts
        if column is not None:
            self.main.column(column, "--split-column")
        for row in self.main:
            if column is None:
                yield row, None
                continue
            word = row[column].strip().lower()
            if word not in WORDS:
                raise CorpusError(
                    f"{self.main.name} has '{row[column]}' in the column '{column}'.",
                    "It has to be train, val or test.",
                )
            yield row, WORDS[word]
        for part, table in self.held_out.items():
            for row in table:
                yield row, part


def assign_parts(
    known: Sequence[int | None],
    strata: Sequence[str],
    groups: Sequence[str] | None,
    config: TableConfig,
    seed: int,
) -> Parts:
    """The part of each row: the one it is known to belong to, or drawn.

    Where something says which rows are for test (or val), no others are drawn for it.

    Args:
        known: of each row its part, or None.
        strata: of each row, such as its label: parts are drawn in the same shares of each.
        groups: of each row, kept together; None: rows stand for themselves.
    """
    parts = np.array([TRAIN if each is None else each for each in known], dtype=np.uint8)
    told = {each for each in known if each is not None}
    open_rows = [i for i, each in enumerate(known) if each in (None, TRAIN)]
    drawn = draw_parts(
        [strata[i] for i in open_rows],
        0.0 if VAL in told else config.val_fraction,
        0.0 if TEST in told else config.test_fraction,
        seed,
        None if groups is None else [groups[i] for i in open_rows],
    )
    parts[open_rows] = drawn
    return parts


def find_column(table: Table, named: str | None, usual: Iterable[str], option: str) -> str:
    """The column that a setting names, or the first of the usual names that there is.

    Raises:
        CorpusError: there is none.
    """
    if named is not None:
        return table.column(named, option)
    lowered = {column.lower(): column for column in table.columns}
    for name in usual:
        if name in lowered:
            return lowered[name]
    raise CorpusError(
        f"{table.name} has the columns {', '.join(table.columns)}.", f"Name one with {option}."
    )
