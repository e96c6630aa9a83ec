"""What simple models say of the same rows: what a net has to beat."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.files.whole import Arrays
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.ngrams import (
    KINDS,
    NgramModel,
    chosen_rows,
    decoded,
    fit_ngram_models,
    is_possible,
)
from charlm.text.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
# Least squares see no more inputs, those of the last steps of a window.
MOST_INPUTS = 500
CHUNK = 8192
# Of ridge regressions on n-grams.
RIDGE = 1.0


@dataclass(frozen=True)
class Baselines:
    """Simple models fitted on the training part.

    Args:
        mean: of the target.
        steps: how many steps of a sequence, the last ones, least squares read.
        weights: of their inputs, and of the constant; empty if there are too many.
        ngrams: of texts, linear models of their n-grams.
    """

    mean: float
    steps: int
    weights: Floats
    ngrams: tuple[NgramModel, ...] = ()

    @classmethod
    def fit(cls, train: Sequences, values: Floats, vocabulary: Vocabulary | None) -> "Baselines":
        """Fit all to a training part.

        Args:
            train: its sequences, all of one length, or texts.
            values: of the target, (examples,).
            vocabulary: of texts.
        """
        mean = float(values.mean())
        if vocabulary is not None:
            if not is_possible():
                return cls(mean, 0, np.empty(0))
            from sklearn.linear_model import Ridge

            rows = chosen_rows(len(train))
            texts = list(decoded(train[rows], vocabulary))
            models = fit_ngram_models(texts, values[rows], Ridge(RIDGE), 1)
            return cls(mean, 0, np.empty(0), tuple(models))
        steps = steps_of(int(train.lengths[0]), train.steps.shape[1])
        return cls(mean, steps, least_squares(train, values, steps))

    def predictions(
        self, sequences: Sequences, last: Floats | None, vocabulary: Vocabulary | None
    ) -> dict[str, Floats]:
        """What each says, (examples,), by name.

        Args:
            last: of a series, the target's value at each window's last row; NaN where missing.
        """
        said = {"mean": np.full(len(sequences), self.mean)}
        if last is not None:
            said["last value"] = np.where(np.isnan(last), self.mean, last)
        if len(self.weights):
            pieces = [each @ self.weights for each in inputs_of(sequences, self.steps)]
            said["least squares"] = np.concatenate(pieces)
        if vocabulary is not None and is_possible():
            texts = list(decoded(sequences, vocabulary))
            said |= {f"{each.kind}, ridge": each.outputs(texts)[:, 0] for each in self.ngrams}
        return said

    def arrays(self) -> Arrays:
        """What to keep of them, by name."""
        kept: Arrays = {"mean": np.array([self.mean]), "least squares": self.weights}
        for each in self.ngrams:
            kept |= each.arrays()
        return kept

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], inputs: int, length: int
    ) -> "Baselines":
        """The inverse of `arrays`.

        Args:
            inputs: of each step; 0 of texts.
            length: steps of a sequence.

        Raises:
            ValueError: they are not what `arrays` gives.
        """
        try:
            mean, weights = arrays["mean"], arrays["least squares"].astype(np.float64)
        except KeyError as error:
            raise ValueError(f"no baselines ({error})") from None
        steps = steps_of(length, inputs)
        fitting = (steps * inputs + 1,) if steps else (0,)
        if (mean.shape, weights.shape) != ((1,), fitting):
            raise ValueError("least squares are of other inputs")
        kinds = [kind for kind in KINDS if f"{kind}.ngrams" in arrays]
        models = tuple(NgramModel.from_arrays(kind, arrays, 1) for kind in kinds)
        return cls(float(mean[0]), steps, weights, models)


def steps_of(length: int, inputs: int) -> int:
    """How many steps of a sequence least squares read, of so many inputs each; none of texts."""
    return min(length, MOST_INPUTS // inputs) if inputs else 0


def inputs_of(sequences: Sequences, steps: int) -> Iterator[Floats]:
    """The inputs of the last steps of each sequence, and a 1, in chunks (examples, steps·I + 1)."""
    for start in range(0, len(sequences), CHUNK):
        piece = sequences[start : start + CHUNK]
        first = piece.starts + piece.lengths - steps
        inputs = piece.steps[first[:, None] + np.arange(steps)].reshape(len(piece), -1)
        yield np.hstack([inputs.astype(np.float64), np.ones((len(piece), 1))])


def least_squares(train: Sequences, values: Floats, steps: int) -> Floats:
    """The weights of least squares, (steps·I + 1,), with memory for a chunk of the rows alone.

    Of inputs and target side by side only the triangle R of their QR decomposition is carried from
    chunk to chunk (Golub & Van Loan 2013, section 6.5.3).
    """
    if steps < 1:
        return np.empty(0)
    triangle: npt.NDArray[Any]
    done, triangle = 0, np.empty((0, steps * train.steps.shape[1] + 2))
    for inputs in inputs_of(train, steps):
        target = values[done : done + len(inputs), None]
        rows = np.hstack([inputs, target])
        done += len(inputs)
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, rows]), mode="r"))
    weights: Floats = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=None)[0]
    return weights
