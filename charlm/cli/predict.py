"""charlm predict"""

import csv
import sys
from collections.abc import Iterator
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import BackendName, Device, RunName, RunsDir, Threads
from charlm.errors import UsageError
from charlm.files import strict_json
from charlm.files.archives import archive_suffix
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.tables.table import Row, Table
    from charlm.tasks.classification.predict import Prediction

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
FILES = (*TABLES, ".txt", ".md", ".json")


def predict(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help="A text, a file of one, a table of many (CSV, TSV, JSON lines), or - for a text "
            "from standard input.",
        ),
    ],
    run: RunName = None,
    text_column: Annotated[
        str | None,
        typer.Option(help="Of a table: its column of texts.", show_default="the training data's"),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Show so many labels, the likeliest.", min=1)
    ] = None,
    encoding: Annotated[str, typer.Option(help="How a file's bytes spell characters.")] = "utf-8",
    device: Device = "auto",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each text.")
    ] = False,
) -> None:
    """Label texts, or predict numbers, with a trained model.

    A text gives its label and all probabilities. A table comes out as it went in, with columns for
    the label and its probability added, or for the number of a regression.
    """
    from charlm.api import load
    from charlm.tasks.registry import task_of

    trained = load(run, runs_dir=runs_dir)
    task = task_of(trained.directory)
    path = Path(text)
    is_file = text != "-" and exists(path)
    model = trained.model(device, backend)
    if is_file and (path.is_dir() or path.suffix.lower() in TABLES or archive_suffix(path)):
        from charlm.tables.sources import open_table

        table = open_table(path, encoding)
        read, given = tee(table)
        inputs: Iterator[Any] = given
        if not task.reads_rows():
            usual = trained.directory.record.corpus.get("columns", ["text"])[0]
            column = table.column(text_column or usual, "--text-column")
            inputs = (row[column] for row in given)
        found = task.predict(trained.directory, model, inputs)
        cells = (task.cells_of(trained.directory, each) for each in found)
        show_table(table, zip(read, cells, strict=True), json)
        return
    if text_column is not None:
        raise UsageError("--text-column is of a table.", "Name a CSV file, or leave it out.")
    if text == "-" or is_file:
        text = read_text(text, encoding)
    elif path.suffix.lower() in FILES and " " not in text:
        console.say(f"There is no file '{text}': these words are what is labelled.")
    (prediction,) = task.predict(trained.directory, model, iter([text]))
    show_prediction(prediction, top, json)


def exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def read_text(given: str, encoding: str) -> str:
    """The text of a file, or of standard input, without the line end at its end."""
    from charlm.text.corpus import read_source
    from charlm.text.decoding import decode

    (piece,) = read_source(given, None)
    return decode(piece.content, piece.label, encoding).text.removesuffix("\n")


def show_prediction(prediction: "Prediction | None", top: int | None, json: bool) -> None:
    """A text's label, and the probabilities of the likeliest ones."""
    if prediction is None:
        raise UsageError("The text is empty.", "Give one with something in it.")
    likeliest = list(prediction.probabilities.items())[:top]
    if json:
        console.write_json({"label": prediction.label, "probabilities": dict(likeliest)})
        return
    console.table(
        ("label", "probability"),
        ((label, console.number(p, 4)) for label, p in likeliest),
        left=("label",),
    )


def show_table(table: "Table", rows: "Iterator[tuple[Row, dict[str, str]]]", json: bool) -> None:
    """The rows as they came, each with what is predicted for it."""
    writer, empty, names = csv.writer(sys.stdout, lineterminator="\n"), 0, dict[str, str]()
    for row, cells in rows:
        if not names:
            names = {each: free_name(table.columns, each) for each in cells}
            if not json:
                writer.writerow((*table.columns, *names.values()))
        empty += not any(cells.values())
        if json:
            added = {names[each]: cell or None for each, cell in cells.items()}
            console.write(strict_json.dumps({**row, **added}) + "\n")
        else:
            writer.writerow((*row.values(), *cells.values()))
    sys.stdout.flush()
    if empty:
        console.say(f"{count(empty, 'row')} without what it takes: nothing is said of them.")


def free_name(columns: tuple[str, ...], name: str) -> str:
    """The name of a column to add, which none of the table's has."""
    while name in columns:
        name += "_"
    return name
