"""Labels for texts that nobody has labelled."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from charlm.rnn.encoder import Encoder
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import log_softmax
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.texts import encode_texts
from charlm.tasks.supervised.training import all_outputs

# Texts that are read before they are labelled, in batches of similar lengths.
READ_TOGETHER = 4096


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a text.

    Args:
        label: the likeliest one, as it was written in the training data.
        probabilities: of every label, the likeliest first.
    """

    label: str
    probabilities: dict[str, float]


def predict(
    run: ClassificationRun, model: Encoder, texts: Iterable[str]
) -> Iterator[Prediction | None]:
    """The label of each text, in order, as they come; None for a text with nothing in it.

    Texts are read as the run's were: by its units, its case and its longest length. Probabilities
    are calibrated by the run's temperature.
    """
    texts = iter(texts)
    while piece := list(islice(texts, READ_TOGETHER)):
        yield from predict_piece(run, model, piece)


def predict_piece(
    run: ClassificationRun, model: Encoder, texts: Sequence[str]
) -> list[Prediction | None]:
    """The same for texts that are all there."""
    encoded = list(encode_texts(iter(texts), run.vocabulary, run.classification))
    rows = [row for row, ids in enumerate(encoded) if len(ids)]
    predictions: list[Prediction | None] = [None] * len(texts)
    if not rows:
        return predictions
    outputs = all_outputs(model, Sequences.of(encoded[row] for row in rows))
    names = run.labels.names
    for row, p in zip(
        rows, np.exp(log_softmax(outputs / np.float32(run.temperature))), strict=True
    ):
        order = np.argsort(-p, kind="stable").tolist()
        predictions[row] = Prediction(names[order[0]], {names[i]: float(p[i]) for i in order})
    return predictions
