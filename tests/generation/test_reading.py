"""Prefixes that are read side by side are read as each alone, and no more is computed."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import VOCABULARY, Chaotic, sample_texts
from tolerances import alike

from charlm.config import CONTEXT, ModelConfig, SamplingConfig
from charlm.generation import texts
from charlm.generation.choice import cpu_engine
from charlm.generation.reading import REPORTED, read
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS

prefixes_of = st.lists(st.text("abcdefg", min_size=1, max_size=9), min_size=1, max_size=7)


@settings(deadline=None, max_examples=100)
@given(prefixes_of, st.one_of(st.none(), st.text("abc", min_size=1, max_size=4)))
def test_prefixes_are_read_as_each_alone(prefixes: list[str], before: str | None) -> None:
    engine, ids = Chaotic(), [VOCABULARY.encode(each) for each in prefixes]
    after = None if before is None else read(engine, [VOCABULARY.encode(before)])
    engine.read.clear()
    together = read(engine, ids, after)
    assert sum(map(len, engine.read)) == sum(map(len, prefixes))
    assert len(engine.read) == max(map(len, prefixes))
    for number, each in enumerate(prefixes):
        whole = VOCABULARY.encode((before or "") + each)
        alone = read(engine, [whole])
        np.testing.assert_array_equal(together.logits[number], alone.logits[0])
        np.testing.assert_array_equal(together.state[number], alone.state[0])
        np.testing.assert_array_equal(together.contexts[number], whole)


@settings(deadline=None, max_examples=50)
@given(
    prefixes_of,
    st.builds(
        SamplingConfig,
        length=st.integers(0, 40),
        num_samples=st.integers(1, 3),
        stop=st.sampled_from([None, "a"]),
        ban=st.sampled_from([None, "bc"]),
        repetition_penalty=st.sampled_from([1.0, 1.5]),
        best_of=st.sampled_from([0, 4]),
        seed=st.integers(0, 9),
    ),
)
def test_texts_are_the_same_as_each_alone(prefixes: list[str], config: SamplingConfig) -> None:
    ids = [VOCABULARY.encode(each) for each in prefixes]
    engine = Chaotic()
    together = texts.sample_texts(engine, VOCABULARY, read(engine, ids), config)
    alone = [sample_texts(Chaotic(), VOCABULARY, each, config) for each in ids]
    assert together == [text for several in alone for text in several]


def engines(cell: str) -> list[Any]:
    model = LanguageModel(ModelConfig(8, cell, 6, 2), "scratch").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5, generator=generator)
    weights = {name: weight.numpy() for name, weight in model.weights().items()}
    return [cpu_engine(model.config, weights), TorchEngine(model)]


@pytest.mark.parametrize("cell", CELLS)
def test_engines_join_and_select_states(cell: str) -> None:
    ids = [VOCABULARY.encode(each) for each in ("cab", "deadbeef", "fed", "a")]
    for engine in engines(cell):
        together = read(engine, ids)
        kept = engine.to_arrays(together.state)
        for number, each in enumerate(ids):
            alone = read(engine, [each])
            near = alike(8, 14, 2)
            np.testing.assert_allclose(together.logits[number], alone.logits[0], **near)
            for mine, other in zip(kept, engine.to_arrays(alone.state), strict=True):
                np.testing.assert_allclose(mine[:, number], other[:, 0], **near)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_is_the_same_from_every_engine_and_comes_back_whole(cell: str) -> None:
    ids = VOCABULARY.encode("deadbeef")
    numpy, torchs = engines(cell)
    kept = [engine.to_arrays(read(engine, [ids]).state) for engine in (numpy, torchs)]
    for mine, other in zip(*kept, strict=True):
        assert mine.shape == (2, 1, 6)
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, other, **alike(8, 14, 2))
    for engine in (numpy, torchs):
        state = read(engine, [ids]).state
        again = engine.from_arrays(engine.to_arrays(state))
        expected, _ = engine.step(np.array([3]), state)
        found, _ = engine.step(np.array([3]), again)
        np.testing.assert_array_equal(found, expected)


def test_progress_and_the_end_of_what_was_read() -> None:
    told: list[tuple[int, int]] = []
    ids = np.tile(VOCABULARY.encode("abc"), REPORTED)
    beginning = read(Chaotic(), [ids, ids[:5]], report=lambda *each: told.append(each))
    assert [done // REPORTED for done, _ in told] == [1, 2, 3]
    assert {total for _, total in told} == {len(ids) + 5}
    np.testing.assert_array_equal(beginning.contexts[0], ids[-CONTEXT:])
    np.testing.assert_array_equal(beginning.contexts[1], ids[:5])
