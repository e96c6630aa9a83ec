"""The best of several texts is the one that scoring finds most probable."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tolerances import alike

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.choice import cpu_engine
from charlm.generation.ranking import log_probability, most_probable
from charlm.generation.reading import read
from charlm.generation.texts import sample_texts
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.scoring.exact import surprise
from charlm.text.vocabulary import Ids, Vocabulary

V, H = 8, 6
VOCABULARY = Vocabulary("abcdef.", [1] * 7)
PREFIX = VOCABULARY.encode("cab")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    model = LanguageModel(ModelConfig(V, "gru", H, 2), "scratch").eval()
    model.initialize("uniform", 0)
    for weight in model.parameters():
        weight.data.mul_(3)
    return model


@pytest.fixture(params=["numpy", "torch"])
def engine(model: LanguageModel, request: pytest.FixtureRequest) -> Any:
    if request.param == "torch":
        return TorchEngine(model)
    weights = {name: weight.numpy() for name, weight in model.weights().items()}
    return cpu_engine(model.config, weights)


def scored(model: LanguageModel, prefix: Ids, text: str) -> float:
    ids = np.concatenate([prefix, VOCABULARY.encode(text)])
    return -float(surprise(model, ids)[len(prefix) - 1 :].sum())


def test_texts_are_as_probable_as_scoring_says(model: LanguageModel, engine: Any) -> None:
    prefixes = [VOCABULARY.encode(each) for each in ("cab", "f", "deadbeef")]
    texts = ["bad.", "a", "feedface.cafe"]
    found = log_probability(engine, read(engine, prefixes), [*map(VOCABULARY.encode, texts)])
    expected = [scored(model, *each) for each in zip(prefixes, texts, strict=True)]
    np.testing.assert_allclose(found, expected, **alike(20, H + V, 2))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.5, "top_k": 3},
        {"stop": ["a", "."]},
        {"ban": "ab"},
        {"repetition_penalty": 1.4},
    ],
    ids=str,
)
def test_the_best_is_the_best_of_those_that_are_drawn(
    model: LanguageModel, engine: Any, how: dict[str, Any]
) -> None:
    config = SamplingConfig(length=25, best_of=12, num_samples=3, seed=4, **how)
    drawn = replace(config, best_of=0, num_samples=12)
    prefixes = [PREFIX, VOCABULARY.encode("f.")]
    beginning = read(engine, prefixes)
    texts = sample_texts(engine, VOCABULARY, beginning, drawn)
    expected = []
    for prefix, mine in zip(prefixes, (texts[:12], texts[12:]), strict=True):
        whole = [text for text in mine if text]
        means = {text: scored(model, prefix, text) / len(text) for text in whole}
        rank = sorted(whole, key=lambda text: -means[text])
        expected += (rank + [""] * 3)[:3]
    assert sample_texts(engine, VOCABULARY, beginning, config) == expected
    assert len(set(texts)) > 3


def test_empty_texts_come_last_and_ties_stay_in_order() -> None:
    texts = ["ab", "", "cd", "x"]
    assert most_probable(np.array([-2.0, 0.0, -2.0, -0.5]), texts, 4) == ["x", "ab", "cd", ""]
    assert most_probable(np.array([0.0]), [""], 1) == [""]


def test_no_length_is_no_text(engine: Any) -> None:
    config = SamplingConfig(length=0, best_of=3, num_samples=2)
    assert sample_texts(engine, VOCABULARY, read(engine, [PREFIX]), config) == ["", ""]
