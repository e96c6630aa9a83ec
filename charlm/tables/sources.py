"""Where tables come from: CSV and TSV files, JSON lines, trees of texts, standard input."""

import csv
import json
import shutil
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from charlm.errors import CorpusError
from charlm.files.archives import archive_suffix
from charlm.files.paths import expanded
from charlm.progress import ProgressCallback
from charlm.tables.lines import chosen_encoding, lines_of, read_binary
from charlm.tables.table import Row, Table
from charlm.tables.trees import open_archive, open_folder
from charlm.text.catalog import CATALOG
from charlm.text.detection import joint_encoding
from charlm.text.download import fetch

DELIMITERS = (",", ";", "\t", "|")
JSON_LINES = (".jsonl", ".ndjson")
STDIN = "-"
LONGEST_FIELD = 2**31 - 1  # characters: the largest whole number that csv takes on Windows
# Corpora of texts with labels, in the catalog.
LABELLED = tuple(name for name, entry in CATALOG.items() if entry.texts)


def open_table(sources: str | Path | Iterable[str | Path], encoding: str = "utf-8") -> Table:
    """A table from files, a folder, an archive, a corpus with labels, or "-" for standard input.

    Args:
        sources: one or several, of the same columns.
        encoding: as Python names it; "auto": as the bytes seem to be.

    Raises:
        CorpusError: nothing there, no table, or columns or encodings that differ.
        SettingError: Python knows no such encoding.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    tables = [open_one(str(each), encoding) for each in given]
    if not tables:
        raise CorpusError("No table was given.", "Name a CSV file, or a folder of texts.")
    joint = joint_encoding(each.encoding for each in tables)
    if joint is None or (STDIN in given and len({each.encoding for each in tables}) > 1):
        named = ", ".join(f"{each.name} seems to be {each.encoding}" for each in tables)
        raise CorpusError(
            f"The tables are in several encodings: {named}.", "Convert them to one, such as utf-8."
        )
    if any(each.encoding != joint for each in tables):
        tables = [open_one(str(each), joint) for each in given]
    first = tables[0]
    for other in tables[1:]:
        if other.columns != first.columns:
            raise CorpusError(
                f"{other.name} has the columns {', '.join(other.columns)}; {first.name} has "
                f"{', '.join(first.columns)}.",
                "Give files with the same columns.",
            )
    if len(tables) == 1:
        return first
    sources_of_all = tuple(source for each in tables for source in each.source)
    return Table(
        first.name,
        first.columns,
        lambda: (row for each in tables for row in each),
        sources_of_all if all(each.source for each in tables) else (),
        first.part_column,
        joint,
        tuple(dict.fromkeys(note for each in tables for note in each.notes)),
    )


def fetch_named(sources: Any, report: ProgressCallback | None) -> None:
    """Download the corpora with labels among some sources, as far as they are not here yet.

    Args:
        report: called with the bytes received and their total.

    Raises:
        CorpusError: as in `fetch`.
    """
    for each in sources if isinstance(sources, list | tuple) else [sources]:
        if isinstance(each, str | Path) and str(each) in LABELLED:
            fetch(CATALOG[str(each)], report)


def open_one(given: str, encoding: str) -> Table:
    """A table from one file, folder, archive or corpus, or from standard input."""
    if given == STDIN:
        if sys.stdin is None:
            raise CorpusError("Cannot read standard input: it is closed.", "Name a file.")
        kept = KeptInput(sys.stdin.buffer)
        return open_delimited(kept.open, "stdin", "standard input", encoding, ())
    if given in LABELLED:
        return open_archive(fetch(CATALOG[given]), given, encoding, (given,))
    path = expanded(given)
    if path.is_dir():
        return open_folder(path, encoding)
    if not path.exists():
        what = (
            "The corpus '{}' has no labels."
            if given in CATALOG
            else "There is no file called '{}'."
        )
        raise CorpusError(
            what.format(given),
            f"Name a CSV file, a folder, or a corpus with labels: {', '.join(LABELLED)}.",
        )
    place = path.resolve()
    opened = (path.stem, f"'{given}'", encoding, (str(place),))
    if suffix := archive_suffix(path):
        return open_archive(place, path.name[: -len(suffix)], encoding, (str(place),))
    if path.suffix.lower() in JSON_LINES:
        return open_json_lines(lambda: read_binary(place), *opened)
    return open_delimited(lambda: read_binary(place), *opened)


class KeptInput:
    """Standard input, on the disk, so that it can be read again and take no memory."""

    def __init__(self, stream: BinaryIO) -> None:
        folder = tempfile.mkdtemp(prefix="charlm-")
        # With this object, or when the program ends.
        weakref.finalize(self, shutil.rmtree, folder, True)
        self.file = Path(folder) / "stdin"
        with self.file.open("wb") as file:
            shutil.copyfileobj(stream, file)

    def open(self) -> BinaryIO:
        return self.file.open("rb")


def open_delimited(
    reopen: Callable[[], BinaryIO],
    name: str,
    label: str,
    encoding: str,
    source: tuple[str, ...],
) -> Table:
    """A CSV or TSV file, whose first row names the columns.

    Quoted fields may be of any length and hold line ends. The delimiter is the one of DELIMITERS
    that makes most fields of the first row.
    """
    csv.field_size_limit(LONGEST_FIELD)
    encoding, notes = chosen_encoding(encoding, lambda: iter([(label, reopen())]))

    def records(delimiter: str) -> Generator[tuple[int, list[str]], None, None]:
        with closing(reopen()) as file:
            reader = csv.reader(lines_of(file, label, encoding), delimiter=delimiter, strict=True)
            try:
                for record in reader:
                    if record:
                        yield reader.line_num, record
            except csv.Error as error:
                raise CorpusError(
                    f"{label} is no table: {error}, in line {reader.line_num:,}.",
                    "Quote fields that hold quotes, commas or line ends.",
                ) from None

    def header(delimiter: str) -> list[str]:
        with closing(records(delimiter)) as every:
            return next(every, (0, list[str]()))[1]

    delimiter = max(DELIMITERS, key=lambda each: len(header(each)))
    columns = tuple(header(delimiter))
    if not columns:
        raise CorpusError(f"{label} is empty.", "Give a table with a row of column names.")
    if len(set(columns)) < len(columns):
        twice = Counter(columns).most_common(1)[0][0]
        raise CorpusError(f"{label} has two columns called '{twice}'.", "Rename one of them.")

    def rows() -> Iterator[Row]:
        every = records(delimiter)
        next(every)
        for line, record in every:
            if len(record) != len(columns):
                raise CorpusError(
                    f"{label} has {len(record)} fields in line {line:,}, where its first line "
                    f"names {len(columns)} columns.",
                    "Mend that line: a field that holds the delimiter needs quotes.",
                )
            yield dict(zip(columns, record, strict=True))

    return Table(name, columns, rows, source, encoding=encoding, notes=notes)


def open_json_lines(
    reopen: Callable[[], BinaryIO],
    name: str,
    label: str,
    encoding: str,
    source: tuple[str, ...],
) -> Table:
    """A file of JSON objects, one a line, all with the keys of the first."""
    encoding, notes = chosen_encoding(encoding, lambda: iter([(label, reopen())]))

    def objects() -> Generator[tuple[int, dict[str, object]], None, None]:
        with closing(reopen()) as file:
            for number, line in enumerate(lines_of(file, label, encoding), 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise CorpusError(f"{label} has no JSON in line {number:,}: {error}.") from None
                if not isinstance(value, dict):
                    raise CorpusError(f"{label} has no JSON object in line {number:,}.")
                yield number, value

    with closing(objects()) as every:
        columns = tuple(next(every, (0, dict[str, object]()))[1])
    if not columns:
        raise CorpusError(f"{label} is empty.", "Give a file with a JSON object in each line.")

    def rows() -> Iterator[Row]:
        for number, value in objects():
            if value.keys() != set(columns):
                odd = sorted(value.keys() ^ set(columns))[0]
                raise CorpusError(
                    f"{label} differs from its first line in line {number:,}: '{odd}' is in only "
                    "one of them.",
                    "Give every line the same keys.",
                )
            yield {each: as_written(value[each], label, number, each) for each in columns}

    return Table(name, columns, rows, source, encoding=encoding, notes=notes)


def as_written(value: object, label: str, number: int, column: str) -> str:
    """A JSON value as the text of a cell; null is a missing value.

    Raises:
        CorpusError: it is a list or an object.
    """
    if isinstance(value, list | dict):
        raise CorpusError(
            f"{label} has several values for '{column}' in line {number:,}.",
            "One value for each column is what can be read.",
        )
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
