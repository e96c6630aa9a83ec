"""charlm predict"""

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import BackendName, Device, RunName, RunsDir, Threads, Threshold
from charlm.errors import UsageError
from charlm.files.archives import archive_suffix
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.tables.table import Cell
    from charlm.tasks.classification.predict import Prediction

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
FILES = (*TABLES, ".txt", ".md", ".json")
STDIN = "-"


def predict(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help="A text, a file of one, a table of many (CSV, TSV, JSON lines), or - for standard "
            "input: a text, or a table where --text-column names its column or the run reads rows.",
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
    threshold: Threshold = None,
    encoding: Annotated[
        str, typer.Option(help="How a file's bytes spell characters, or auto.")
    ] = "utf-8",
    device: Device = "auto",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each text.")
    ] = False,
) -> None:
    """Label texts, or predict numbers, with a trained model.

    A text gives its label and all probabilities, or its number. A table comes out as it went in,
    with columns for the label and its probability added, or for the number. A series goes on past
    its last row.
    """
    from charlm.tasks.registry import find_run, load_model, task_of

    directory = find_run(run, runs_dir)
    task = task_of(directory)
    options: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    path = Path(text)
    is_file = text != STDIN and exists(path)
    is_table = path.suffix.lower() in TABLES or archive_suffix(path)
    by_name = is_file and (path.is_dir() or is_table)
    by_run = (text == STDIN or is_file) and (text_column is not None or task.reads_rows(directory))
    model = load_model(directory, device, backend)
    if by_name or by_run:
        from charlm.tables.sources import open_table

        if top is not None:
            raise UsageError("--top is of single texts; a table gets the likeliest label.")
        table = open_table(text, encoding)
        for note in table.notes:
            console.say(note)
        rows = task.predict_table(directory, model, table, text_column, options)
        show_table(table.columns, rows, json)
        return
    if text_column is not None:
        raise UsageError("--text-column is of a table.", "Name a CSV file, or leave it out.")
    if text == STDIN or is_file:
        text = read_text(text, encoding)
    elif path.suffix.lower() in FILES and " " not in text:
        console.say(f"There is no file '{text}': these words are what is read.")
    (prediction,) = task.predict(directory, model, iter([text]), options)
    show_prediction(prediction, top, json)


def exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def read_text(given: str, encoding: str) -> str:
    """The text of a file, or of standard input, without the line end at its end."""
    from charlm.text.decoding import decode
    from charlm.text.detection import AUTO, settle
    from charlm.text.sources import read_source

    (piece,) = read_source(given, None)
    if encoding == AUTO:
        guess = settle([(piece.label, piece.content)])
        console.say(guess.note(f"'{piece.label}'"))
        encoding = guess.encoding
    return decode(piece.content, piece.label, encoding).text.removesuffix("\n")


def show_prediction(prediction: "Prediction | float | None", top: int | None, json: bool) -> None:
    """A text's label and the probabilities of the likeliest ones, or its number."""
    if prediction is None:
        raise UsageError("The text is empty.", "Give one with something in it.")
    if isinstance(prediction, float):
        if top is not None:
            raise UsageError("--top is of labels, and this run predicts a number.")
        if json:
            console.write_json({"value": prediction})
        else:
            console.write(f"{prediction:.6g}\n")
        return
    likeliest = list(prediction.probabilities.items())[:top]
    if json:
        console.write_json({"label": prediction.label, "probabilities": dict(likeliest)})
        return
    rows = [(label, console.number(p, 4)) for label, p in likeliest]
    if prediction.label != likeliest[0][0]:
        console.say(f"'{prediction.label}' by the threshold.")
    console.table(("label", "probability"), rows, left=("label",))


def show_table(
    columns: tuple[str, ...],
    rows: "Iterable[tuple[Mapping[str, str], Mapping[str, Cell]]]",
    json: bool,
) -> None:
    """The rows as they came, each with what is predicted for it."""
    out = SimpleNamespace(write=console.put)
    writer, empty, names = csv.writer(out, lineterminator="\n"), 0, dict[str, str]()
    for row, cells in rows:
        if not names:
            names = {each: free_name(columns, each) for each in cells}
            if not json:
                writer.writerow((*columns, *names.values()))
        empty += all(cell is None for cell in cells.values())
        if json:
            added: dict[str, Any] = {names[each]: cell for each, cell in cells.items()}
            console.write_json({**row, **added}, indent=None)
        else:
            writer.writerow((*row.values(), *map(as_written, cells.values())))
    if not names and not json:  # no rows
        writer.writerow(columns)
    sys.stdout.flush()
    if empty:
        console.say(f"{count(empty, 'row')} without what it takes: nothing is said of them.")


def as_written(cell: "Cell") -> str:
    """A cell of a CSV file."""
    if cell is None:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else cell


def free_name(columns: tuple[str, ...], name: str) -> str:
    """The name of a column to add, which none of the table's has."""
    while name in columns:
        name += "_"
    return name
