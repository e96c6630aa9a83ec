"""How good a classifier is on labelled texts, label by label."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError, SettingError
from charlm.rnn.encoder import Encoder
from charlm.tasks.classification.dataset import reread_dataset
from charlm.tasks.classification.reading import LABEL_COLUMNS, TEXT_COLUMNS
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.classification.scores import (
    ClassificationScore,
    calibration_error,
    log_softmax,
    score_of,
)
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.rows import Sources, find_column
from charlm.tasks.supervised.texts import encode_texts
from charlm.tasks.supervised.training import all_outputs
from charlm.text.splits import count


@dataclass(frozen=True)
class LabelReport:
    """How one label fared.

    Args:
        precision: share of the texts given this label that have it; None where none was given it.
        recall: share of the texts with this label that were given it; None where there are none.
        texts: how many have it.
    """

    label: str
    precision: float | None
    recall: float | None
    texts: int

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 where one of them is 0 or there is none."""
        p, r = self.precision or 0.0, self.recall or 0.0
        return 2 * p * r / (p + r) if p + r else 0.0


@dataclass(frozen=True)
class ClassificationEvaluation:
    """A classifier's predictions for labelled texts.

    Args:
        corpus: name of the data.
        split: train, val or test of the run's own, else "all".
        outputs: logits (texts, C).
        targets: numbers of the true labels, (texts,); -1 for one that training had not.
        labels: their names, in order.
        notes: sentences that whoever reads the score should see.
        temperature: by which the run divides its logits for probabilities.
    """

    corpus: str
    split: str
    outputs: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    temperature: float = 1.0

    @property
    def score(self) -> ClassificationScore:
        """Accuracy and log loss; a label that training had not is wrong, at the least probability
        that a float can hold.
        """
        known = self.targets >= 0
        score = score_of(self.outputs[known], self.targets[known])
        unknown = int((~known).sum())
        worst = -float(np.log(np.finfo(np.float64).tiny))
        return score + ClassificationScore(unknown * worst, 0, unknown)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """How many texts of each true label (rows) were given each label (columns), (C, C)."""
        C, known = len(self.labels), self.targets >= 0
        pairs = self.targets[known] * C + self.outputs[known].argmax(1)
        return np.bincount(pairs, minlength=C * C).reshape(C, C)

    @property
    def by_label(self) -> list[LabelReport]:
        """Precision and recall of each label."""
        given = np.bincount(self.outputs.argmax(1), minlength=len(self.labels))
        C, known = len(self.labels), self.targets >= 0
        right = self.targets == self.outputs.argmax(1)
        hits = np.bincount(self.targets[right & known], minlength=C)
        true = np.bincount(self.targets[known], minlength=C)
        return [
            LabelReport(
                label,
                float(hits[i] / given[i]) if given[i] else None,
                float(hits[i] / true[i]) if true[i] else None,
                int(true[i]),
            )
            for i, label in enumerate(self.labels)
        ]

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that there are, among the true ones or the given ones."""
        there = [each.f1 for each in self.by_label if each.texts or each.precision is not None]
        return float(np.mean(there)) if there else 0.0

    @property
    def calibration_error(self) -> float:
        """See `calibration_error`."""
        return calibration_error(np.exp(log_softmax(self.outputs)), self.targets)

    @property
    def calibrated(self) -> "ClassificationEvaluation":
        """The same at the run's temperature."""
        return replace(self, outputs=self.outputs / np.float32(self.temperature), temperature=1.0)

    def confused(self, most: int) -> list[tuple[str, str, int]]:
        """The pairs of a true label and the one given in its place that occur most often."""
        C, known = len(self.labels), self.targets >= 0
        wrong = known & (self.outputs.argmax(1) != self.targets)
        pairs = self.targets[wrong] * C + self.outputs[wrong].argmax(1)
        values, counts = np.unique(pairs, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        return [
            (self.labels[values[i] // C], self.labels[values[i] % C], int(counts[i])) for i in order
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus,
            "split": self.split,
            **self.score.to_json(),
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "temperature": self.temperature,
            "calibrated_log_loss": self.calibrated.score.loss,
            "calibrated_calibration_error": self.calibrated.calibration_error,
            "labels": [{**vars(each), "f1": each.f1} for each in self.by_label],
        }


def evaluate_labels(
    run: ClassificationRun, model: Encoder, source: Any, split: str | None
) -> ClassificationEvaluation:
    """Label texts whose labels are known.

    Args:
        source: a table, in any of its forms; None is the run's own data.
        split: train, val or test of the run's own; by default what was held out.

    Raises:
        CorpusError: no such columns, or nothing to label.
        SettingError: a split of data that are not the run's.
    """
    notes: tuple[str, ...] = ()
    if source is None:
        data = reread_dataset(run, None)
        split = split or data.split
        if split == "all" or split not in data.splits:
            raise SettingError("split", f"is train, val or test, not '{split}'.")
        sequences, targets = data.part(split)
        name = data.name
    else:
        if split not in (None, "all"):
            raise SettingError("split", "is for the run's own data only.")
        name, sequences, targets, notes = read_table(run, source)
        split = "all"
    if not len(sequences):
        raise CorpusError(f"{name} ({split}) has no texts to label.", "Name another part.")
    outputs = all_outputs(model, sequences)
    return ClassificationEvaluation(
        name, split, outputs, targets, run.labels.names, notes, run.temperature
    )


def read_table(
    run: ClassificationRun, source: Any
) -> tuple[str, Sequences, npt.NDArray[np.int64], tuple[str, ...]]:
    """The texts and labels of a table that is not the run's, and what to know of it."""
    config = run.classification
    table = Sources.open(source, config).main
    text_column = find_column(table, config.text_column, TEXT_COLUMNS, "--text-column")
    label_column = find_column(table, config.label_column, LABEL_COLUMNS, "--label-column")
    numbers = {name: number for number, name in enumerate(run.labels.names)}
    rows = [(row[text_column], row[label_column]) for row in table]
    encoded = list(encode_texts((text for text, _ in rows), run.vocabulary, config))
    kept = [i for i, ids in enumerate(encoded) if len(ids)]
    if not kept:
        raise CorpusError(f"{table.name} has no texts.", "Give a table with some.")
    notes = []
    if len(kept) < len(rows):
        notes.append(f"{count(len(rows) - len(kept), 'row')} without text left out.")
    unknown = sorted({rows[i][1] for i in kept} - numbers.keys())
    if unknown:
        named = ", ".join(f"'{each}'" for each in unknown[:8])
        notes.append(f"Labels that '{run.name}' was not trained on, counted as wrong: {named}.")
    targets = np.array([numbers.get(rows[i][1], -1) for i in kept], dtype=np.int64)
    return table.name, Sequences.of(encoded[i] for i in kept), targets, tuple(notes)
