"""How good a classifier is on labelled texts, label by label."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.html.notebook import HasSections
from charlm.scoring.report import grid_of_scores
from charlm.sections import THIS_RUN, Facts, Grid, Section
from charlm.tasks.classification.scores import (
    ClassificationScore,
    Reliability,
    compare,
    given_labels,
    probabilities,
    reliability,
    score_of,
    sentence,
)

# Beyond so many labels the pairs that are confused most often stand for the whole matrix.
MATRIX, PAIRS = 20, 20


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
class ClassificationEvaluation(HasSections):
    """A classifier's predictions for labelled texts.

    Args:
        corpus: name of the data.
        split: train, val or test of the run's own, else "all".
        outputs: logits (texts, C).
        targets: numbers of the true labels, (texts,); -1 for one that training had not.
        labels: their names, in order.
        notes: sentences that whoever reads the score should see.
        temperature: by which the run divides its logits for probabilities.
        threshold: see `given_labels`.
        baselines: logarithms of the probabilities (texts, C) of the simple models that the run
            keeps, by name.
    """

    corpus: str
    split: str
    outputs: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    temperature: float = 1.0
    threshold: float | None = None
    baselines: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def given(self) -> npt.NDArray[np.int64]:
        """The number of the label that each text is given, (texts,)."""
        return given_labels(probabilities(self.outputs, self.temperature), self.threshold)

    @property
    def score(self) -> ClassificationScore:
        """Accuracy of the given labels, and log loss."""
        score = self.score_of(self.outputs)
        return replace(score, right=int((self.given == self.targets).sum()))

    def score_of(self, outputs: npt.NDArray[np.floating]) -> ClassificationScore:
        """The score of logits (texts, C); a label that training had not is wrong, at the least
        probability that a float can hold.
        """
        known = self.targets >= 0
        score = score_of(outputs[known], self.targets[known])
        unknown = int((~known).sum())
        worst = -float(np.log(np.finfo(np.float64).tiny))
        return score + ClassificationScore(unknown * worst, 0, unknown)

    @property
    def baseline_scores(self) -> dict[str, ClassificationScore]:
        """Those of the simple models."""
        return {name: self.score_of(logs) for name, logs in self.baselines.items()}

    @property
    def comparison(self) -> dict[str, Any] | None:
        """The best simple model, and the interval of the difference to it."""
        if not self.baselines:
            return None
        others = {name: logs.argmax(1) == self.targets for name, logs in self.baselines.items()}
        return compare(self.given == self.targets, others)

    @property
    def verdict(self) -> str | None:
        """The same in a sentence."""
        found = self.comparison
        return None if found is None else sentence(found)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """How many texts of each true label (rows) were given each label (columns), (C, C)."""
        C, known = len(self.labels), self.targets >= 0
        pairs = self.targets[known] * C + self.given[known]
        return np.bincount(pairs, minlength=C * C).reshape(C, C)

    @property
    def by_label(self) -> list[LabelReport]:
        """Precision and recall of each label."""
        given = np.bincount(self.given, minlength=len(self.labels))
        C, known = len(self.labels), self.targets >= 0
        right = self.targets == self.given
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
        """Mean distance of the likeliest label's probability from how often it is right."""
        return self.reliability.error

    @property
    def reliability(self) -> Reliability:
        """Of the probabilities at temperature 1."""
        return reliability(probabilities(self.outputs), self.targets)

    @property
    def calibrated(self) -> "ClassificationEvaluation":
        """The same at the run's temperature."""
        return replace(self, outputs=self.outputs / np.float32(self.temperature), temperature=1.0)

    def confused(self, most: int) -> list[tuple[str, str, int]]:
        """The pairs of a true label and the one given in its place that occur most often."""
        C, known = len(self.labels), self.targets >= 0
        wrong = known & (self.given != self.targets)
        pairs = self.targets[wrong] * C + self.given[wrong]
        values, counts = np.unique(pairs, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        return [
            (self.labels[values[i] // C], self.labels[values[i] % C], int(counts[i])) for i in order
        ]

    def sections(self, run: str | None = None) -> Iterator[Section]:
        """What there is to say of a run, beside the simple models that it keeps."""
        score, calibrated = self.score, self.calibrated
        yield Facts(
            [
                *([("run", run)] if run else []),
                ("data", f"{self.corpus} ({self.split})"),
                ("texts", score.texts),
                ("accuracy", score.accuracy),
                ("macro F1", self.macro_f1),
                ("log loss", score.loss),
                ("calibration error", self.calibration_error),
                ("temperature", self.temperature),
                ("log loss at that temperature", calibrated.score.loss),
                ("calibration error there", calibrated.calibration_error),
                *(
                    []
                    if self.threshold is None
                    else [(f"threshold of '{self.labels[1]}'", self.threshold)]
                ),
            ]
        )
        yield Grid(
            ("label", "precision", "recall", "F1", "texts"),
            [(e.label, e.precision, e.recall, e.f1, e.texts) for e in self.by_label],
            caption="Label by label",
        )
        if len(self.labels) <= MATRIX:
            matrix = zip(self.labels, self.confusion.tolist(), strict=True)
            yield Grid(
                ("true \\ given", *self.labels),
                [(name, *row) for name, row in matrix],
                caption="Texts by their true label (rows) and the one they are given (columns)",
            )
        else:
            caption = "What is confused most often"
            yield Grid(("true", "given", "texts"), self.confused(PAIRS), 2, caption)
        if self.verdict is not None:
            yield grid_of_scores(
                {**self.baseline_scores, run or THIS_RUN: score}, "Beside simple models"
            )
            yield self.verdict

    def to_json(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus,
            "split": self.split,
            **self.score.to_json(),
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "calibrated_log_loss": self.calibrated.score.loss,
            "calibrated_calibration_error": self.calibrated.calibration_error,
            "labels": [{**vars(each), "f1": each.f1} for each in self.by_label],
            **(
                {
                    "baselines": {k: v.to_json() for k, v in self.baseline_scores.items()},
                    "comparison": self.comparison,
                }
                if self.baselines
                else {}
            ),
        }
