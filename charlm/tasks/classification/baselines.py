"""What simple models say of the same texts: what a net has to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.files.whole import Arrays
from charlm.tasks.classification.scores import log_softmax
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.ngrams import (
    KINDS,
    LEAST,
    NgramModel,
    chosen_rows,
    decoded,
    fit_ngram_models,
    is_possible,
)
from charlm.text.vocabulary import Vocabulary

Logs = npt.NDArray[np.float64]
# How little a logistic regression's weights are held back.
STRENGTH = 5.0


@dataclass(frozen=True)
class Baselines:
    """Simple models fitted on the training part.

    Args:
        counts: of each label there, (C,).
        ngrams: logistic regressions on n-grams; none without scikit-learn.
    """

    counts: Sequence[int]
    ngrams: tuple[NgramModel, ...] = ()

    @classmethod
    def fit(
        cls,
        train: Sequences,
        targets: npt.NDArray[np.int64],
        counts: Sequence[int],
        vocabulary: Vocabulary,
    ) -> "Baselines":
        """Fit all to a training part, given its texts and the numbers of their labels, (texts,)."""
        if not is_possible():
            return cls(counts)
        from sklearn.linear_model import LogisticRegression

        rows = chosen_rows(len(train))
        if len(np.unique(targets[rows])) < 2:
            return cls(counts)
        texts = list(decoded(train[rows], vocabulary))
        estimator = LogisticRegression(C=STRENGTH)
        return cls(counts, tuple(fit_ngram_models(texts, targets[rows], estimator, len(counts))))

    def logs(self, sequences: Sequences, vocabulary: Vocabulary) -> dict[str, Logs]:
        """The logarithms of the probabilities that each gives to texts, (texts, C), by name."""
        shares = np.array(self.counts, dtype=np.float64) / sum(self.counts)
        said = {"majority": np.broadcast_to(np.log(shares), (len(sequences), len(shares)))}
        if self.ngrams and is_possible():
            texts = list(decoded(sequences, vocabulary))
            for each in self.ngrams:
                logs = np.maximum(log_softmax(each.outputs(texts)), LEAST)
                said[f"{each.kind}, logistic"] = logs
        return said

    def arrays(self) -> Arrays:
        """What to keep of them, by name."""
        kept: Arrays = {}
        for each in self.ngrams:
            kept |= each.arrays()
        return kept

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], counts: Sequence[int]
    ) -> "Baselines":
        """The inverse of `arrays`.

        Raises:
            ValueError: they are not what `arrays` gives.
        """
        kinds = [kind for kind in KINDS if f"{kind}.ngrams" in arrays]
        return cls(counts, tuple(NgramModel.from_arrays(k, arrays, len(counts)) for k in kinds))
