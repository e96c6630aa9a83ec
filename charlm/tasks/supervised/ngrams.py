"""Linear models of n-gram counts, which a net on texts has to beat. They need scikit-learn."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.files.whole import Arrays
from charlm.tasks.supervised.examples import Sequences
from charlm.text.tokens import WORDS
from charlm.text.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
# Of a larger training part the models read so many texts, and count so many n-grams.
MOST_TEXTS, MOST_FEATURES = 50_000, 100_000
# Steps of fitting, and products within all of them, which are a minute or so.
MOST_STEPS, MOST_PRODUCTS, FEWEST_STEPS = 300, 1e10, 10
KINDS: dict[str, dict[str, Any]] = {
    "words 1-2": {"analyzer": "word", "ngram_range": (1, 2)},
    "characters 1-5": {"analyzer": "char_wb", "ngram_range": (1, 5), "sublinear_tf": True},
}
# The least logit.
LEAST = -50.0
INSTALL = "pip install scikit-learn"


def is_possible() -> bool:
    """Whether scikit-learn is there."""
    return find_spec("sklearn") is not None


@dataclass(frozen=True)
class NgramModel:
    """A linear model of a text's n-grams, weighed by tf-idf.

    Args:
        kind: name of the n-grams, one of KINDS.
        ngrams: F of them.
        idf: weight of each, (F,).
        coefficients: (F, C).
        intercept: (C,).
    """

    kind: str
    ngrams: Sequence[str]
    idf: Floats
    coefficients: Floats
    intercept: Floats

    def outputs(self, texts: Iterable[str]) -> Floats:
        """What it says of each text, (texts, C)."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**KINDS[self.kind], vocabulary=self.ngrams)
        vectorizer.idf_ = self.idf
        outputs: Floats = vectorizer.transform(texts) @ self.coefficients + self.intercept
        return outputs

    def arrays(self) -> Arrays:
        """What to keep of it, by name."""
        joined = "\n".join(self.ngrams).encode("utf-8", "surrogatepass")
        return {
            f"{self.kind}.ngrams": np.frombuffer(joined, dtype=np.uint8),
            f"{self.kind}.idf": self.idf,
            f"{self.kind}.coefficients": self.coefficients,
            f"{self.kind}.intercept": self.intercept,
        }

    @classmethod
    def from_arrays(
        cls, kind: str, arrays: Mapping[str, npt.NDArray[Any]], outputs: int
    ) -> "NgramModel":
        """The inverse of `arrays`.

        Args:
            outputs: C, of the model.

        Raises:
            ValueError: they are not what `arrays` gives.
        """
        try:
            joined = arrays[f"{kind}.ngrams"].tobytes().decode("utf-8", "surrogatepass")
            numbers = [arrays[f"{kind}.{name}"] for name in ("idf", "coefficients", "intercept")]
        except KeyError as error:
            raise ValueError(f"no {error.args[0]}") from None
        ngrams = joined.split("\n")
        idf, coefficients, intercept = (each.astype(np.float64) for each in numbers)
        shapes = (len(ngrams),), (len(ngrams), outputs), (outputs,)
        if (idf.shape, coefficients.shape, intercept.shape) != shapes:
            raise ValueError(f"{kind} has arrays of other sizes")
        if len(set(ngrams)) < len(ngrams):
            raise ValueError(f"{kind} has an n-gram twice")
        return cls(kind, ngrams, idf, coefficients, intercept)


def fit_ngram_models(
    texts: Sequence[str], targets: npt.NDArray[Any], estimator: Any, outputs: int
) -> Iterator[NgramModel]:
    """One model for each kind of n-grams that the texts have, as far as there is time.

    Args:
        targets: of each text, (texts,): a number, or the number of a class.
        estimator: of scikit-learn, linear; fitted again for each kind.
        outputs: C, of every model.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    for kind, options in KINDS.items():
        vectorizer = TfidfVectorizer(**options, max_features=MOST_FEATURES)
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError:  # no n-grams, as of texts of marks alone
            continue
        steps = min(MOST_STEPS, int(MOST_PRODUCTS / (features.nnz * outputs)))
        if steps < FEWEST_STEPS:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it might have gone on
            estimator.set_params(max_iter=steps).fit(features, targets)
        ngrams = vectorizer.get_feature_names_out().tolist()
        yield NgramModel(kind, ngrams, vectorizer.idf_, *weights_of(estimator, outputs))


def weights_of(estimator: Any, outputs: int) -> tuple[Floats, Floats]:
    """A fitted estimator's coefficients (F, C) and intercept (C,).

    A class that it has not met gets the least logit, and of two classes it knows the difference.
    """
    coefficients = np.atleast_2d(estimator.coef_).T
    intercept = np.atleast_1d(estimator.intercept_)
    met = getattr(estimator, "classes_", None)
    if met is None:
        return coefficients.copy(), intercept
    if len(met) == 2:
        coefficients = np.hstack([np.zeros_like(coefficients), coefficients])
        intercept = np.concatenate([[0.0], intercept])
    every, constants = np.zeros((len(coefficients), outputs)), np.full(outputs, LEAST)
    every[:, met], constants[met] = coefficients, intercept
    return every, constants


def chosen_rows(rows: int) -> npt.NDArray[np.int64]:
    """All rows, or MOST_TEXTS of them at equal distances, since a file may be sorted by label."""
    return np.linspace(0, rows - 1, min(rows, MOST_TEXTS)).round().astype(np.int64)


def decoded(sequences: Sequences, vocabulary: Vocabulary) -> Iterator[str]:
    """Texts from their ids; what a vocabulary lacks is U+FFFD."""
    entries, joint = vocabulary.entries, " " if vocabulary.units == WORDS else ""
    for row in range(len(sequences)):
        ids = sequences.sequence(row).tolist()
        yield joint.join(entries[i - 1] if i else "\N{REPLACEMENT CHARACTER}" for i in ids)
