"""How good a classifier's predictions are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from charlm.scoring.score import Figure

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
        Figure("accuracy", "accuracy", "acc"),
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
        nats = values["nats"]
        return cls(math.nan if nats is None else nats, values["right"], values["texts"])


def log_softmax(outputs: npt.NDArray[np.floating]) -> Probabilities:
    """Logarithms of the probabilities (texts, C) from logits, in float64."""
    z = outputs.astype(np.float64)
    z -= z.max(1, keepdims=True)
    z -= np.log(np.exp(z).sum(1, keepdims=True))
    return z


def score_of(outputs: npt.NDArray[np.floating], labels: npt.NDArray[Any]) -> ClassificationScore:
    """The score of logits (texts, C), given the true labels (texts,)."""
    logs = log_softmax(outputs)
    nats = -logs[np.arange(len(labels)), labels.astype(np.int64)].sum()
    right = int((outputs.argmax(1) == labels).sum())
    return ClassificationScore(float(nats), right, len(labels))
