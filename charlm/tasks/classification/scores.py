"""How good a classifier's predictions are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from charlm.scoring.score import Figure, stored_count, stored_number
from charlm.tasks.supervised.comparison import paired_interval, verdict

# Intervals of probability between which the calibration error compares.
BINS = 15

Probabilities = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassificationScore:
    """Accuracy and log loss of some texts; it adds up over disjoint sets of them.

    Args:
        nats: sum of -ln p of the true labels.
        right: how many of the likeliest labels were the true ones.
        texts: how many were labelled.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("accuracy", "accuracy", "acc", more_is_better=True),
        Figure("log_loss", "log loss", "log loss"),
    )

    nats: float
    right: int
    texts: int

    def __add__(self, other: "ClassificationScore") -> "ClassificationScore":
        return ClassificationScore(
            self.nats + other.nats, self.right + other.right, self.texts + other.texts
        )

    @property
    def loss(self) -> float:
        """Nats per text."""
        return self.nats / self.texts if self.texts else math.nan

    @property
    def accuracy(self) -> float:
        """Share of the texts whose likeliest label is the true one."""
        return self.right / self.texts if self.texts else math.nan

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss)

    def to_json(self) -> dict[str, Any]:
        return {
            "texts": self.texts,
            "nats": self.nats,
            "right": self.right,
            "log_loss": self.loss,
            "accuracy": self.accuracy,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ClassificationScore":
        right, texts = (stored_count(values, name) for name in ("right", "texts"))
        return cls(stored_number(values, "nats"), right, texts)


def log_softmax(outputs: npt.NDArray[np.floating]) -> Probabilities:
    """Logarithms of the probabilities (texts, C) from logits, in float64."""
    z = outputs.astype(np.float64)
    z -= z.max(1, keepdims=True)
    z -= np.log(np.exp(z).sum(1, keepdims=True))
    return z


def probabilities(outputs: npt.NDArray[np.floating], temperature: float = 1.0) -> Probabilities:
    """Probabilities (texts, C) from logits, which a temperature divides."""
    p: Probabilities = np.exp(log_softmax(outputs / np.float32(temperature)))
    return p


def given_labels(p: Probabilities, threshold: float | None) -> Labels:
    """The numbers of the labels that are given, (texts,): the likeliest, or by a threshold.

    Args:
        p: probabilities (texts, C).
        threshold: of two labels, the second one's probability from which on it is given.
    """
    return p.argmax(1) if threshold is None else (p[:, 1] >= threshold).astype(np.int64)


# Of F1, by which two that are the same may come out differently.
ROUNDING = 1e-12


def best_threshold(p: Probabilities, labels: npt.NDArray[Any]) -> float:
    """The threshold of the best macro F1, halfway between two probabilities that occur.

    Args:
        p: probability of the second of two labels, (texts,).
        labels: 0 or 1, (texts,).
    """
    order = np.argsort(-p, kind="stable")
    ranked, truth = p[order], labels[order].astype(np.int64)
    n, positives = len(p), int(truth.sum())
    # Of the cut behind k texts, k given the second label: how many of them rightly.
    k, hits = np.arange(n + 1), np.concatenate([[0], np.cumsum(truth)])
    second = 2 * hits / np.maximum(k + positives, 1)
    first_hits = (n - positives) - (k - hits)
    first = 2 * first_hits / np.maximum((n - k) + (n - positives), 1)
    bounds = np.concatenate([[1.0], ranked, [0.0]])
    cuts = (bounds[:-1] + bounds[1:]) / 2
    distinct = bounds[:-1] > bounds[1:]
    f1 = np.where(distinct & (cuts > 0) & (cuts < 1), first + second, -1.0)
    best = np.flatnonzero(f1 > f1.max() - ROUNDING)
    # Of equally good ones, but for rounding, the one that is nearest to the likeliest label.
    return float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]])


# The least and the largest temperature, and how finely one between them is found.
COLDEST, HOTTEST, HALVINGS = 0.2, 5.0, 30
# Logits that a temperature is fitted on, of rows at equal distances.
MOST_LOGITS = 20_000_000


def fit_temperature(outputs: npt.NDArray[np.floating], labels: npt.NDArray[Any]) -> float:
    """The temperature by which logits (texts, C) are divided for the least log loss.

    Guo et al. 2017, "On Calibration of Modern Neural Networks". It leaves every label as it is. The
    loss is convex in the temperature's inverse, so its slope has one zero, which is bisected.
    """
    most = max(1, MOST_LOGITS // outputs.shape[1])
    rows = np.linspace(0, len(outputs) - 1, min(len(outputs), most)).round().astype(np.int64)
    z, true = outputs[rows].astype(np.float64), labels[rows].astype(np.int64)
    of_true = z[np.arange(len(z)), true].mean()

    def slope(inverse: float) -> float:
        """Of the loss: the mean logit under the probabilities, less the true label's."""
        return float((np.exp(log_softmax(z * inverse)) * z).sum(1).mean() - of_true)

    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / math.sqrt(low * high)


@dataclass(frozen=True)
class Reliability:
    """How often the likeliest label is right, by the probability that it was given.

    Texts are put into BINS equal intervals of that probability (Guo et al. 2017).

    Args:
        texts: in each interval, (BINS,).
        probability: the mean, (BINS,); NaN where there are no texts.
        accuracy: share of the texts whose likeliest label is the true one, (BINS,).
    """

    texts: Labels
    probability: Probabilities
    accuracy: Probabilities

    @property
    def error(self) -> float:
        """Mean distance of the two over the texts; 0 where there are none."""
        there = self.texts > 0
        gaps = np.abs(self.probability - self.accuracy)[there] * self.texts[there]
        return float(gaps.sum() / max(self.texts.sum(), 1))


def reliability(probabilities: Probabilities, labels: npt.NDArray[Any]) -> Reliability:
    """How far probabilities can be relied on.

    Args:
        probabilities: (texts, C).
        labels: the true ones, (texts,).
    """
    p = probabilities.max(1)
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    texts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, each, minlength=BINS) / texts for each in (p, right)]
    return Reliability(texts, *means)


def score_of(outputs: npt.NDArray[np.floating], labels: npt.NDArray[Any]) -> ClassificationScore:
    """The score of logits (texts, C), given the true labels (texts,)."""
    logs = log_softmax(outputs)
    nats = -logs[np.arange(len(labels)), labels.astype(np.int64)].sum()
    right = int((outputs.argmax(1) == labels).sum())
    return ClassificationScore(float(nats), right, len(labels))


def compare(right: npt.NDArray[np.bool_], others: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """The best of some simple models, and the interval of the difference in accuracy to it.

    Args:
        right: which texts the classifier labelled rightly, (texts,).
        others: the same of each simple model, by name.
    """
    strongest = max(others, key=lambda name: int(others[name].sum()))
    interval = paired_interval(right, others[strongest])
    return {"baseline": strongest, "interval": list(interval)}


def sentence(found: Mapping[str, Any]) -> str:
    """What `compare` found, in words."""
    low, high = found["interval"]
    shown = f"{100 * low:+.1f} to {100 * high:+.1f} points of accuracy"
    return verdict((low, high), found["baseline"], shown, gains=True, items="texts")
