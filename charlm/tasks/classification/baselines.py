"""What simple models come to on the same texts: what a network has to beat."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.tasks.supervised.examples import Sequences
from charlm.text.vocabulary import WORDS, Vocabulary

# Of a larger training part the regressions read the first texts only, and count so many n-grams.
MOST_TEXTS, MOST_FEATURES = 50_000, 100_000
STEPS = 300
# The least logarithm of a probability that a regression is given.
LEAST = -50.0

# Texts as ids, and their labels (texts,).
Labelled = tuple[Sequences, npt.NDArray[np.int64]]


def baselines(
    train: Labelled, held_out: Labelled, counts: Sequence[int], vocabulary: Vocabulary
) -> Mapping[str, npt.NDArray[np.float64]]:
    """The logarithms of the probabilities that each gives to held-out texts, (texts, C), by name.

    Args:
        counts: of each label in training, (C,).
    """
    texts = len(held_out[0])
    shares = np.array(counts, dtype=np.float64) / sum(counts)
    guesses = np.tile(np.log(shares), (texts, 1))
    return {"majority": guesses, **dict(regressions(train, held_out, len(counts), vocabulary))}


def regressions(
    train: Labelled, held_out: Labelled, n_labels: int, vocabulary: Vocabulary
) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Logistic regressions on tf-idf of n-grams; none without scikit-learn."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        return
    texts = list(decoded(train[0], vocabulary, MOST_TEXTS))
    scored = list(decoded(held_out[0], vocabulary))
    kinds: dict[str, dict[str, Any]] = {
        "words 1-2, logistic": {"analyzer": "word", "ngram_range": (1, 2)},
        "characters 1-5, logistic": {
            "analyzer": "char_wb",
            "ngram_range": (1, 5),
            "sublinear_tf": True,
        },
    }
    for name, kind in kinds.items():
        vectorizer = TfidfVectorizer(**kind, max_features=MOST_FEATURES)
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError:  # no n-grams, as of texts of marks alone
            continue
        regression = LogisticRegression(C=5, max_iter=STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it might have gone on
            regression.fit(features, train[1][: len(texts)])
        logs = np.full((len(scored), n_labels), LEAST)
        logs[:, regression.classes_] = regression.predict_log_proba(vectorizer.transform(scored))
        yield name, np.maximum(logs, LEAST)


def decoded(sequences: Sequences, vocabulary: Vocabulary, most: int | None = None) -> Iterator[str]:
    """The first texts, from their ids."""
    entries, joint = vocabulary.entries, " " if vocabulary.units == WORDS else ""
    rows = len(sequences) if most is None else min(len(sequences), most)
    for row in range(rows):
        ids = sequences.steps[sequences.starts[row] : sequences.starts[row + 1]].tolist()
        yield joint.join(entries[i - 1] if i else "\N{REPLACEMENT CHARACTER}" for i in ids)
