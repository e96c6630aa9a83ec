"""The rows of a user's tables, and the part of the data that each belongs to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.tables.parts import TEST, TRAIN, VAL, WORDS, Parts, draw_folds, draw_parts
from charlm.tables.sources import open_table
from charlm.tables.table import Row, Table
from charlm.tasks.supervised.settings import TableConfig
from charlm.text.detection import AUTO


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
        spelled = main.encoding if config.encoding == AUTO else config.encoding
        held_out = {part: open_table(file, spelled) for part, file in given.items() if file}
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
        if column is None and not self.held_out:
            column = self.main.part_column
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


class RowKeeper:
    """What is known of the rows that are kept, one after the other: their parts and groups.

    Attributes:
        known: of each row its part, or None.
        groups: of each row its group; None where no column says it.
        last: both of the row that came last, as they are written.
    """

    def __init__(self, group_column: str | None) -> None:
        self.column = group_column
        self.known: list[int | None] = []
        self.groups: list[str] | None = None if group_column is None else []
        self.names: dict[str, str] = {}
        self.last: tuple[str, ...] = ()

    def add(self, row: Row, part: int | None) -> None:
        """Keep a row."""
        self.known.append(part)
        self.last = (str(part),)
        if self.groups is not None and self.column is not None:
            group = row.get(self.column, "")
            # One string for all rows of a group, which may be a million.
            self.groups.append(self.names.setdefault(group, group))
            self.last += (group,)

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Of each row the number of its group, (rows,); 0 where there are none."""
        if self.groups is None:
            return np.zeros(len(self.known), dtype=np.int64)
        order = {name: number for number, name in enumerate(self.names)}
        return np.array([order[each] for each in self.groups], dtype=np.int64)

    def parts(self, strata: Sequence[str], config: TableConfig, seed: int) -> Parts:
        """See `assign_parts`."""
        return assign_parts(self.known, strata, self.groups, config, seed)


def assign_parts(
    known: Sequence[int | None],
    strata: Sequence[str],
    groups: Sequence[str] | None,
    config: TableConfig,
    seed: int,
) -> Parts:
    """The part of each row: the one it is known to belong to, or drawn.

    Where something says which rows are for test (or val), no others are drawn for it. Of folds, one
    is the test part, and val is drawn from the others.

    Args:
        known: of each row its part, or None.
        strata: of each row, such as its label: parts are drawn in the same shares of each.
        groups: of each row, kept together; None: rows stand for themselves.

    Raises:
        CorpusError: there are fewer rows, or groups, than folds.
    """
    parts = np.array([TRAIN if each is None else each for each in known], dtype=np.uint8)
    if config.folds is not None:
        units = len(known if groups is None else set(groups))
        if units < config.folds:
            raise CorpusError(
                f"{units:,} {'rows' if groups is None else 'groups'} are too few for "
                f"{config.folds} folds.",
                "Give fewer --folds.",
            )
        parts[draw_folds(strata, config.folds, seed, groups) == config.fold - 1] = TEST
    told = {*(each for each in known if each is not None), *([TEST] if config.folds else [])}
    free = np.flatnonzero(parts == TRAIN)
    parts[free] = draw_parts(
        [strata[i] for i in free.tolist()],
        0.0 if VAL in told else config.val_fraction,
        0.0 if TEST in told else config.test_fraction,
        seed,
        None if groups is None else [groups[i] for i in free.tolist()],
    )
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
