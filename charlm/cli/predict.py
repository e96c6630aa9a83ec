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
    """Label texts with a trained classifier.

    A text gives its label and all probabilities. A table comes out as it went in, with columns for
    the label and its probability added.
    """
    from charlm.api import load
    from charlm.tasks.registry import task_of

    trained = load(run, runs_dir=runs_dir)
    path = Path(text)
    is_file = text != "-" and exists(path)
    model = trained.model(device, backend)

    def labels(texts: Iterator[str]) -> "Iterator[Prediction | None]":
        return task_of(trained.directory).predict(trained.directory, model, texts)

    if is_file and (path.is_dir() or path.suffix.lower() in TABLES):
        from charlm.tables.sources import open_table

        table = open_table(path, encoding)
        about = trained.directory.record.corpus.get("columns", ["text", "label"])
        column = table.column(text_column or about[0], "--text-column")
        read, texts = tee(table)
        found = labels(row[column] for row in texts)
        show_table(table, zip(read, found, strict=True), about[1], json)
        return
    if text_column is not None:
        raise UsageError("--text-column is of a table.", "Name a CSV file, or leave it out.")
    if text == "-" or is_file:
        text = read_text(text, encoding)
    elif path.suffix.lower() in FILES and " " not in text:
        console.say(f"There is no file '{text}': these words are what is labelled.")
    (prediction,) = labels(iter([text]))
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


def show_table(
    table: "Table", rows: "Iterator[tuple[Row, Prediction | None]]", label_column: str, json: bool
) -> None:
    """The rows as they came, each with its label and that label's probability."""
    label = free_name(table.columns, f"predicted {label_column}")
    probability = free_name(table.columns, "probability")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not json:
        writer.writerow((*table.columns, label, probability))
    empty = 0
    for row, prediction in rows:
        empty += prediction is None
        p = "" if prediction is None else f"{prediction.probabilities[prediction.label]:.4f}"
        if json:
            content: dict[str, Any] = {**row, label: prediction and prediction.label}
            content["probabilities"] = prediction and prediction.probabilities
            console.write(strict_json.dumps(content) + "\n")
        else:
            writer.writerow((*row.values(), prediction.label if prediction else "", p))
    sys.stdout.flush()
    if empty:
        console.say(f"{count(empty, 'row')} without text: nothing is said of them.")


def free_name(columns: tuple[str, ...], name: str) -> str:
    """The name of a column to add, which none of the table's has."""
    while name in columns:
        name += "_"
    return name
