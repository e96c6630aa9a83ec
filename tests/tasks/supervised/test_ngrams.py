"""Linear models of n-grams: kept as arrays, they say what scikit-learn's own objects say."""

import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from charlm.tasks.classification import baselines as classification
from charlm.tasks.classification.scores import log_softmax
from charlm.tasks.regression import baselines as regression
from charlm.tasks.supervised import ngrams
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.ngrams import (
    KINDS,
    LEAST,
    NgramModel,
    chosen_rows,
    decoded,
    fit_ngram_models,
)
from charlm.text.vocabulary import Vocabulary

NEAR = {"rtol": 1e-9, "atol": 1e-9}


def texts_of(number: int, seed: int, labels: int = 3) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Texts, in several scripts, and a label of each that some of its words tell."""
    rng = random.Random(seed)
    texts, targets = [], []
    for _ in range(number):
        label = rng.randrange(labels)
        words = rng.choices(["so", "It", "was", "это", "x\u2028y", "\t"], k=rng.randrange(1, 6))
        words.append(rng.choice(["bad", "good", "odd"]) if rng.random() < 0.2 else "abc"[label] * 3)
        rng.shuffle(words)
        texts.append(" ".join(words))
        targets.append(label)
    return texts, np.array(targets)


def fitted(kind: str, texts: list[str], targets: Any, estimator: Any) -> tuple[Any, Any]:
    """scikit-learn's own, fitted in as many steps as charlm takes at most."""
    vectorizer = TfidfVectorizer(**KINDS[kind], max_features=ngrams.MOST_FEATURES)
    features = vectorizer.fit_transform(texts)
    return vectorizer, estimator.set_params(max_iter=ngrams.MOST_STEPS).fit(features, targets)


@pytest.mark.parametrize("labels", [2, 3])
def test_logistic_regressions_are_those_of_scikit_learn(labels: int) -> None:
    texts, targets = texts_of(80, 0, labels)
    others, _ = texts_of(40, 1, labels)
    others += ["", "!", "never met: Ω"]
    models = list(fit_ngram_models(texts, targets, LogisticRegression(C=5.0), labels))
    assert [each.kind for each in models] == list(KINDS)
    for model in models:
        vectorizer, estimator = fitted(model.kind, texts, targets, LogisticRegression(C=5.0))
        expected = estimator.predict_log_proba(vectorizer.transform(others))
        np.testing.assert_allclose(log_softmax(model.outputs(others)), expected, **NEAR)


def test_ridge_regressions_are_those_of_scikit_learn() -> None:
    texts, labels = texts_of(80, 0)
    values = labels * 10.0 + np.random.default_rng(0).normal(size=80)
    others, _ = texts_of(40, 1)
    models = list(fit_ngram_models(texts, values, Ridge(1.0), 1))
    assert [each.kind for each in models] == list(KINDS)
    for model in models:
        vectorizer, estimator = fitted(model.kind, texts, values, Ridge(1.0))
        expected = estimator.predict(vectorizer.transform(others))
        np.testing.assert_allclose(model.outputs(others)[:, 0], expected, **NEAR)


def test_kept_as_arrays_they_say_the_same_bit_for_bit() -> None:
    texts, targets = texts_of(60, 0)
    others, _ = texts_of(30, 1)
    for model in fit_ngram_models(texts, targets, LogisticRegression(), 3):
        arrays = model.arrays()
        assert all(name.startswith(f"{model.kind}.") for name in arrays)
        again = NgramModel.from_arrays(model.kind, arrays, 3)
        assert list(again.ngrams) == list(model.ngrams)
        np.testing.assert_array_equal(again.outputs(others), model.outputs(others))


@pytest.mark.parametrize("met", [(0, 2), (0, 1, 3)])
def test_labels_that_were_not_met_get_the_least_logit(met: tuple[int, ...]) -> None:
    """Of more texts than are read, a rare label may have none among these."""
    texts, numbers = texts_of(60, 0, len(met))
    targets = np.array(met)[numbers]
    for model in fit_ngram_models(texts, targets, LogisticRegression(), 4):
        outputs = model.outputs(texts)
        assert outputs.shape == (60, 4)
        vectorizer, estimator = fitted(model.kind, texts, targets, LogisticRegression())
        expected = estimator.predict_log_proba(vectorizer.transform(texts))
        np.testing.assert_allclose(log_softmax(outputs[:, met]), expected, **NEAR)
        for label in set(range(4)) - set(met):
            assert (outputs[:, label] == LEAST).all()
        assert (np.isin(outputs.argmax(1), met)).all()


def test_texts_of_marks_alone_have_no_words() -> None:
    found = fit_ngram_models(["!", "?", "!!", "??"], [0, 1, 0, 1], LogisticRegression(), 2)
    assert [each.kind for each in found] == ["characters 1-5"]


def test_what_would_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, targets = texts_of(40, 0)
    products = TfidfVectorizer(**KINDS["words 1-2"]).fit_transform(texts).nnz * 3
    # Ten steps for the words are within the bound, and fewer for the many more n-grams of letters.
    monkeypatch.setattr(ngrams, "MOST_PRODUCTS", 10 * products)
    found = fit_ngram_models(texts, targets, LogisticRegression(), 3)
    assert [each.kind for each in found] == ["words 1-2"]


def test_of_many_texts_some_at_equal_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_rows(7).tolist() == [*range(7)]
    monkeypatch.setattr(ngrams, "MOST_TEXTS", 4)
    assert chosen_rows(10).tolist() == [0, 3, 6, 9]


def sequences_of(texts: list[str]) -> tuple[Sequences, Vocabulary]:
    vocabulary = Vocabulary.of_counts(dict.fromkeys("".join(texts), 1), "characters")
    return Sequences.of(np.array(vocabulary.encode_tokens(text)) for text in texts), vocabulary


def test_the_baselines_of_a_classifier_go_through_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, targets = texts_of(60, 0)
    sequences, vocabulary = sequences_of(texts)
    assert list(decoded(sequences, vocabulary)) == texts
    counts = np.bincount(targets).tolist()
    models = classification.Baselines.fit(sequences, targets, counts, vocabulary)
    said = models.logs(sequences, vocabulary)
    assert list(said) == ["majority", *(f"{kind}, logistic" for kind in KINDS)]
    np.testing.assert_allclose(said["majority"][0], np.log(np.array(counts) / 60))
    for kind in KINDS:
        vectorizer, estimator = fitted(kind, texts, targets, LogisticRegression(C=5.0))
        expected = estimator.predict_log_proba(vectorizer.transform(texts))
        np.testing.assert_allclose(said[f"{kind}, logistic"], expected, **NEAR)
    again = classification.Baselines.from_arrays(models.arrays(), counts)
    for name, logs in again.logs(sequences, vocabulary).items():
        np.testing.assert_array_equal(logs, said[name])
    with pytest.raises(ValueError, match="of other sizes"):
        classification.Baselines.from_arrays(models.arrays(), [*counts, 1])
    # Where scikit-learn is not, the majority is left.
    monkeypatch.setattr(classification, "is_possible", lambda: False)
    assert list(again.logs(sequences, vocabulary)) == ["majority"]
    alone = classification.Baselines.fit(sequences, targets, counts, vocabulary)
    assert alone.arrays() == {}
    assert list(classification.Baselines.from_arrays({}, counts).logs(sequences, vocabulary)) == [
        "majority"
    ]


def test_the_baselines_of_a_regression_of_texts_go_through_arrays() -> None:
    texts, labels = texts_of(60, 0)
    sequences, vocabulary = sequences_of(texts)
    values = labels * 2.0 + np.random.default_rng(0).normal(size=60)
    models = regression.Baselines.fit(sequences, values, vocabulary)
    said = models.predictions(sequences, None, vocabulary)
    assert list(said) == ["mean", *(f"{kind}, ridge" for kind in KINDS)]
    np.testing.assert_allclose(said["mean"], values.mean())
    for kind in KINDS:
        vectorizer, estimator = fitted(kind, texts, values, Ridge(1.0))
        expected = estimator.predict(vectorizer.transform(texts))
        np.testing.assert_allclose(said[f"{kind}, ridge"], expected, **NEAR)
    again = regression.Baselines.from_arrays(models.arrays(), 0, 1)
    for name, each in again.predictions(sequences, None, vocabulary).items():
        np.testing.assert_array_equal(each, said[name])
