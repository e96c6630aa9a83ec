"""What a report shows of a classifier."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from charlm.rnn.encoder import Encoder
from charlm.sections import Draft, Grid, Part, Picture
from charlm.tasks.classification.dataset import reread_dataset
from charlm.tasks.classification.evaluate import evaluate_labels
from charlm.tasks.classification.evaluation import MATRIX, ClassificationEvaluation
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import log_softmax
from charlm.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from charlm.rnn.model import RecurrentModel

# Texts that a run is most wrong about, and characters of each that are shown.
WORST, LONGEST = 20, 400


def drafts(run: ClassificationRun, load_model: "Callable[[], RecurrentModel]") -> list[Draft]:
    """The score with its pictures, and the texts that the run is most wrong about."""
    return [Draft("Labels", lambda: labels(run, load_model))]


def labels(run: ClassificationRun, load_model: "Callable[[], RecurrentModel]") -> Iterator[Part]:
    """How the labels of the held-out texts were given."""
    model = cast("Encoder", load_model())
    result = evaluate_labels(run, model, None, None, run.threshold)
    texts = f"{result.score.texts:,} texts ({result.split})"
    yield from result.sections(run.name)
    if len(result.labels) <= MATRIX:
        yield Picture(
            f"Which labels are confused, {texts}",
            confusion_in_words(result),
            partial(paint_confusion, result),
            (6.4, 5.2),
        )
    yield Picture(
        f"How far the probabilities can be relied on, {texts}",
        f"The calibration error is {result.calibration_error:.4f}.",
        partial(paint_reliability, result),
        (5.2, 5.0),
    )
    yield from worst(run, result)


def paint_confusion(result: ClassificationEvaluation, figure: Any) -> None:
    """Draw the matrix of labels."""
    from charlm.plots.labels import draw_confusion

    draw_confusion(figure.subplots(), result.confusion, result.labels)


def paint_reliability(result: ClassificationEvaluation, figure: Any) -> None:
    """Draw how often the likeliest label is right."""
    from charlm.plots.labels import draw_reliability

    found = result.reliability
    draw_reliability(figure.subplots(), found.texts, found.probability, found.accuracy)


def confusion_in_words(result: ClassificationEvaluation) -> str:
    """The pairs that are confused most often."""
    pairs = result.confused(3)
    if not pairs:
        return "No label was given in the place of another."
    said = (f"'{true}' was given '{given}' {texts:,} times" for true, given, texts in pairs)
    return "Most often, " + ", ".join(said) + "."


def worst(run: ClassificationRun, result: ClassificationEvaluation) -> Iterator[Part]:
    """The texts whose true label was given the least probability, as the net reads them."""
    known = np.flatnonzero((result.targets >= 0) & (result.given != result.targets))
    if not len(known):
        yield "It is wrong about no text."
        return
    logs = log_softmax(result.outputs[known] / np.float32(result.temperature))
    of_true = logs[np.arange(len(known)), result.targets[known]]
    order = np.argsort(of_true, kind="stable")[:WORST]
    sequences, _ = reread_dataset(run, None).part(result.split)
    joint = " " if run.vocabulary.units == "words" else ""
    entries = (UNKNOWN, *run.vocabulary.entries)
    rows = []
    for place in order:
        i = known[place]
        start = sequences.starts[i]
        ids = sequences.steps[start : start + sequences.lengths[i]]
        text = joint.join(entries[each] for each in ids.tolist())
        cut = text if len(text) <= LONGEST else text[:LONGEST] + "…"
        given = result.given[i]
        rows.append(
            (
                cut,
                result.labels[result.targets[i]],
                result.labels[given],
                float(np.exp(logs[place, given])),
            )
        )
    yield f"The {len(rows)} texts that it is most wrong about, as the net reads them:"
    yield Grid(("text", "true", "given", "probability"), rows, names=3)
