"""A table: named columns, and rows that can be read again and again, one after the other."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from charlm.errors import CorpusError, suggestion

Row = Mapping[str, str]
# What is added to a row; None is an empty cell.
Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """Rows of named columns.

    Args:
        name: what people call it, such as a file's name without its ending.
        columns: their names, in order.
        rows: reads the rows from the first one on; every row has a value for every column.
        source: where it can be read again: absolute paths, or a catalog name; nothing where it
            cannot.
        encoding: the one in which it is read.
        notes: sentences to show to the user.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    source: tuple[str, ...] = ()
    part_column: str | None = None
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def column(self, name: str, what: str) -> str:
        """The name of a column that has to be there.

        Args:
            what: the setting that names it.

        Raises:
            CorpusError: there is no such column.
        """
        if name not in self.columns:
            hint = suggestion(dict.fromkeys(self.columns), name)
            raise CorpusError(f"{self.name} has no column '{name}', which {what} names.", hint)
        return name

    @classmethod
    def of(cls, data: Any, name: str = "table") -> "Table":
        """A table from Python: an iterable of mappings, or anything with columns.

        Args:
            data: mappings from column to value, a mapping from column to values, or a data frame.

        Raises:
            CorpusError: it has no rows, or rows of different columns.
        """
        rows = list(as_rows(data))
        if not rows:
            raise CorpusError(f"{name} has no rows.", "Give at least one.")
        columns = tuple(rows[0])
        for number, row in enumerate(rows, 1):
            if tuple(row) != columns:
                raise CorpusError(
                    f"Row {number} of {name} has the columns {', '.join(row)}; the first row has "
                    f"{', '.join(columns)}.",
                    "Give every row the same columns.",
                )
        return cls(name, columns, lambda: iter(rows))


def as_rows(data: Any) -> Iterable[dict[str, str]]:
    """The rows of a data frame, of a mapping of columns, or of an iterable of mappings."""
    if hasattr(data, "columns"):
        data = {name: list(data[name]) for name in data.columns}
    if isinstance(data, Mapping):
        names = [str(name) for name in data]
        return (as_row(names, values) for values in zip(*data.values(), strict=True))
    return (as_row(list(row), list(row.values())) for row in data)


def as_row(names: Iterable[Any], values: Iterable[Any]) -> dict[str, str]:
    """A row as strings; None and NaN are missing values, which are empty."""
    return {
        str(name): "" if value is None or value != value else str(value)
        for name, value in zip(names, values, strict=True)
    }


class Digest:
    """SHA-256 of some rows, by which they are known again, as they are read one by one."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def add(self, *values: str) -> None:
        """A row's values, in order."""
        joined = "\0".join((*values, "\n"))
        self.hash.update(joined.encode("utf-8", "surrogatepass"))

    def hexdigest(self) -> str:
        return self.hash.hexdigest()
