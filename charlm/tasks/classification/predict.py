"""Labels for texts that nobody has labelled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import Any, cast

import numpy as np

from charlm.errors import SettingError
from charlm.rnn.encoder import Encoder
from charlm.runs.directory import RunDirectory
from charlm.tables.table import Cell, Row, Table
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import given_labels, probabilities
from charlm.tasks.classification.settings import check_threshold
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.texts import encode_texts
from charlm.tasks.supervised.training import all_outputs

# Texts that are read before they are labelled, in batches of similar lengths.
READ_TOGETHER = 4096


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a text.

    Args:
        label: the likeliest one, or the one by a threshold, as it was written in the training data.
        probabilities: of every label, the likeliest first.
    """

    label: str
    probabilities: dict[str, float]


def threshold_of(run: RunDirectory, options: Mapping[str, Any]) -> float | None:
    """The threshold that is given, or the run's.

    Raises:
        SettingError: it is no probability, or the run has other than two labels.
    """
    own, given = cast("ClassificationRun", run), options.get("threshold")
    if given is None:
        return own.threshold
    if len(own.labels.names) != 2:
        raise SettingError("threshold", f"is for two labels; '{run.name}' has more.")
    check_threshold(given)
    return float(given)


def predict(
    run: ClassificationRun, model: Encoder, texts: Iterable[str], threshold: float | None
) -> Iterator[Prediction | None]:
    """The label of each text, in order, as they come; None for a text with nothing in it.

    Texts are read as the run's were: by its units, its case and its longest length. Probabilities
    are calibrated by the run's temperature.

    Args:
        threshold: see `given_labels`.
    """
    texts = iter(texts)
    while piece := list(islice(texts, READ_TOGETHER)):
        yield from predict_piece(run, model, piece, threshold)


def predict_piece(
    run: ClassificationRun, model: Encoder, texts: Sequence[str], threshold: float | None
) -> list[Prediction | None]:
    """The same for texts that are all there."""
    encoded = list(encode_texts(iter(texts), run.vocabulary, run.classification))
    rows = [row for row, ids in enumerate(encoded) if len(ids)]
    predictions: list[Prediction | None] = [None] * len(texts)
    if not rows:
        return predictions
    outputs = all_outputs(model, Sequences.of(encoded[row] for row in rows))
    names = run.labels.names
    every = probabilities(outputs, run.temperature)
    given = given_labels(every, threshold).tolist()
    for row, p, label in zip(rows, every, given, strict=True):
        order = np.argsort(-p, kind="stable").tolist()
        predictions[row] = Prediction(names[label], {names[i]: float(p[i]) for i in order})
    return predictions


def predicted_table(
    run: ClassificationRun,
    model: Encoder,
    table: Table,
    text_column: str | None,
    threshold: float | None,
) -> Iterator[tuple[Row, dict[str, Cell]]]:
    """Each row of a table with the cells of its text's label and that label's probability.

    Raises:
        CorpusError: there is no such column of texts.
    """
    usual, label = run.record.corpus["columns"]
    column = table.column(text_column or usual, "--text-column")
    given, rows = tee(table)
    texts = (row[column] for row in rows)
    for row, found in zip(given, predict(run, model, texts, threshold), strict=True):
        p = None if found is None else found.probabilities[found.label]
        name = None if found is None else found.label
        yield row, {f"predicted {label}": name, "probability": p}
