"""Beam search, against looking at every text there is, and against a slow one."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import alike

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.beams import Beam, beam_search
from charlm.generation.choice import cpu_engine
from charlm.generation.endings import MOST_BEYOND
from charlm.generation.reading import read
from charlm.generation.texts import NO_END, sample_texts, write_texts
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.scoring.exact import surprise
from charlm.text.vocabulary import Vocabulary

V, H = 5, 6
VOCABULARY = Vocabulary("ab. ", [1] * 4)
PREFIX = VOCABULARY.encode("ab")


def made(cell: str = "gru", seed: int = 0, layers: int = 1) -> LanguageModel:
    model = LanguageModel(ModelConfig(V, cell, H, layers), "scratch").eval()
    model.initialize("uniform", seed)
    for weight in model.parameters():
        weight.data.mul_(3)
    return model


def engines(model: LanguageModel) -> dict[str, Any]:
    weights = {name: weight.numpy() for name, weight in model.weights().items()}
    return {"numpy": cpu_engine(model.config, weights), "torch": TorchEngine(model)}


def log_probability(model: LanguageModel, text: str) -> float:
    """ln p of a text after the prefix, by the code that scores texts."""
    ids = np.concatenate([PREFIX, VOCABULARY.encode(text)])
    return -float(surprise(model, ids)[len(PREFIX) - 1 :].sum())


def search(model: LanguageModel, config: SamplingConfig, engine: str = "numpy") -> list[Beam]:
    computes = engines(model)[engine]
    return beam_search(computes, VOCABULARY, read(computes, [PREFIX]), config)


def is_end(text: str, config: SamplingConfig) -> tuple[str, bool]:
    """What is shown of a text, and whether its last character ended it."""
    for stop in config.stops:
        if text.endswith(stop):
            return text.removesuffix(stop), True
    if config.until_sentence_end and len(text) > config.length and text[-2:] == ". ":
        return text[:-1], True
    return text, False


def is_banned(text: str, config: SamplingConfig) -> bool:
    """Whether a banned string ends in a text, wherever it begins."""
    return any(each in ("ab" + text)[max(0, 3 - len(each)) :] for each in config.bans)


def every_text(model: LanguageModel, config: SamplingConfig) -> list[tuple[float, str]]:
    """All texts that can be written and their log-probabilities, the best first."""
    found: dict[str, float] = {}
    live = [""]
    for _ in range(config.length):
        longer = []
        for text in map("".join, product(live, VOCABULARY.entries)):
            if is_banned(text, config):
                continue
            shown, ended = is_end(text, config)
            if ended:
                found[shown] = max(found.get(shown, -np.inf), log_probability(model, text))
            else:
                longer.append(text)
        live = longer
    found |= {text: log_probability(model, text) for text in live}
    return sorted(((score, text) for text, score in found.items()), reverse=True)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize(
    "more",
    [{}, {"ban": ["aa", "b."]}, {"stop": "a"}, {"stop": ["b ", "."]}, {"ban": "a", "stop": ".b"}],
    ids=str,
)
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_beams_enough_find_the_best_texts_there_are(
    cell: str, more: dict[str, Any], engine: str
) -> None:
    config = SamplingConfig(length=4, beams=4**4, num_samples=5, **more)
    model = made(cell)
    expected = every_text(model, config)[:5]
    found = search(model, config, engine)
    assert [each.text for each in found] == [text for _, text in expected]
    scores = [score for score, _ in expected]
    near = alike(6, H + V)
    np.testing.assert_allclose([each.log_probability for each in found], scores, **near)


def slow_search(model: LanguageModel, config: SamplingConfig) -> list[str]:
    """A beam search that scores each text anew."""
    beams = [(0.0, "", False)]
    for _ in range(config.length + 6 * config.until_sentence_end):
        longer = [each for each in beams if each[2]]
        for _, text, ended in beams:
            for entry in "" if ended else VOCABULARY.entries:
                if is_banned(text + entry, config):
                    continue
                longer.append((log_probability(model, text + entry), text + entry, False))
        ranked = sorted(longer, key=lambda each: -each[0])
        beams, ends = [], set()
        for score, text, ended in ranked:
            shown, ends_here = (text, True) if ended else is_end(text, config)
            if ends_here and shown in ends:
                continue
            if ends_here:
                ends.add(shown)
            beams.append((score, shown if ends_here else text, ends_here))
            if len(beams) == config.beams:
                break
    return [text for _, text, _ in beams][: config.num_samples]


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.integers(1, 5),
    st.sampled_from([{}, {"stop": "b"}, {"ban": "ab"}, {"until_sentence_end": True}]),
)
def test_few_beams_find_what_a_slow_search_finds(
    seed: int, beams: int, more: dict[str, Any]
) -> None:
    config = SamplingConfig(length=5, beams=beams, num_samples=min(beams, 2), **more)
    model = made(seed=seed)
    found = [each.text for each in search(model, config)]
    if config.until_sentence_end:
        # The slow one looks no further than six characters beyond the length.
        found = [each for each in found if len(each) < 10]
        assert found == slow_search(model, config)[: len(found)]
        return
    assert found == slow_search(model, config)


def test_one_beam_is_greedy() -> None:
    model = made()
    for engine in engines(model).values():
        beginning = read(engine, [PREFIX])
        texts = [
            sample_texts(engine, VOCABULARY, beginning, SamplingConfig(length=40, **how))
            for how in ({"beams": 1}, {"temperature": 0.0})
        ]
        assert texts[0] == texts[1]


def test_more_beams_find_texts_as_probable_and_the_length_is_kept() -> None:
    model = made("lstm", layers=2)
    best = [search(model, SamplingConfig(length=30, beams=beams))[0] for beams in (1, 8, 64)]
    assert all(len(each.text) == 30 for each in best)
    assert best[0].log_probability < best[2].log_probability
    again = search(model, SamplingConfig(length=30, beams=8, num_samples=8))
    assert again[0] == best[1]
    assert len({each.text for each in again}) == 8
    assert sorted(again, key=lambda each: -each.log_probability) == again


def test_no_length_is_no_text() -> None:
    assert [each.text for each in search(made(), SamplingConfig(length=0, beams=3))] == [""]


def test_fewer_texts_than_are_asked_for_are_all_there_are() -> None:
    config = SamplingConfig(length=2, beams=9, num_samples=9, ban=["a", "b"])
    assert sorted(each.text for each in search(made(), config)) == ["  ", " .", ". ", ".."]


def test_prefixes_are_searched_one_after_the_other() -> None:
    engine = engines(made())["numpy"]
    prefixes = [VOCABULARY.encode(each) for each in ("ab", "b", ". a b")]
    config = SamplingConfig(length=12, beams=4, num_samples=2)
    together = sample_texts(engine, VOCABULARY, read(engine, prefixes), config)
    alone = [sample_texts(engine, VOCABULARY, read(engine, [each]), config) for each in prefixes]
    assert together == [text for texts in alone for text in texts]


def test_a_beam_whose_sentence_does_not_end_is_told_of() -> None:
    engine, told = engines(made())["numpy"], list[str]()
    config = SamplingConfig(length=3, beams=2, ban=".", until_sentence_end=True)
    (text,) = write_texts(engine, VOCABULARY, read(engine, [PREFIX]), config, told.append)
    assert len("".join(text)) == 3 + MOST_BEYOND
    assert told == [NO_END]
