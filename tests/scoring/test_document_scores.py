"""Scores of texts made of documents: each alone, from a state of zeros."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.config import ModelConfig
from charlm.language_model import LanguageModel
from charlm.scoring import exact
from charlm.scoring.adjusted import DynamicConfig
from charlm.scoring.baselines import ngram_probabilities
from charlm.scoring.dynamic import dynamic_surprise, mean_squares
from charlm.scoring.exact import score, surprise
from charlm.scoring.results import Evaluation
from charlm.scoring.spelling import spelling_nats
from charlm.text.documents import marked, with_line_ends
from charlm.text.tokens import WORDS
from charlm.text.vocabulary import Ids, Vocabulary

MARK, V = 1, 6


def made_model(cell: str = "gru") -> LanguageModel:
    model = LanguageModel(ModelConfig(V, cell, 7, 2, document_id=MARK), "builtin")
    model.initialize("uniform", 5)
    return model.double()


def some_documents(lengths: list[int], seed: int = 0) -> Ids:
    rng = np.random.default_rng(seed)
    parts = [[*rng.integers(2, V, length).tolist(), MARK] for length in lengths]
    return np.array([MARK, *(each for part in parts for each in part)], dtype=np.uint8)


def alone(model: LanguageModel, ids: Ids) -> list[float]:
    """-ln p of each token after the first, one document at a time."""
    found: list[float] = []
    for start, stop in pairwise([*np.flatnonzero(ids[:-1] == MARK).tolist(), len(ids) - 1]):
        read = torch.from_numpy(ids[start : stop + 1].astype(np.int64))
        with torch.no_grad():
            logits, _ = model(read[:-1, None], model.initial_state(1))
        logs = torch.log_softmax(logits[:, 0], 1)
        found += (-logs.gather(1, read[1:, None])[:, 0]).tolist()
    return found


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.sampled_from([8, 40, 10_000]))
def test_each_document_is_scored_alone(lengths: list[int], together: int) -> None:
    model, ids = made_model(), some_documents(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "CHUNK", 8)
        patch.setattr(exact, "MOST_TOGETHER", together)
        nats = surprise(model, ids)
    np.testing.assert_allclose(nats, alone(model, ids), rtol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_order_of_documents_does_not_matter(cell: str) -> None:
    model, lengths = made_model(cell), [3, 9, 1, 4]
    ids = some_documents(lengths)
    marks = np.flatnonzero(ids == MARK)
    parts = [ids[a + 1 : b + 1] for a, b in pairwise(marks)]
    other = np.concatenate([[MARK], *parts[::-1]]).astype(np.uint8)
    one, two = score(model, ids), score(model, other)
    assert one is not None
    assert two is not None
    assert one.nats == pytest.approx(two.nats, rel=1e-12)
    assert one.tokens == sum(lengths) + len(lengths)


def test_adapting_weights_follow_from_document_to_document_and_the_state_does_not() -> None:
    model, ids = made_model(), some_documents([5, 3, 6])
    squares = mean_squares(model, ids, 4)
    still = dynamic_surprise(model, ids, squares, DynamicConfig(rate=1e-12, window=4))
    np.testing.assert_allclose(still, alone(model, ids), rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_no_context_of_an_ngram_reaches_before_its_document(
    train: list[int], held_out: list[int], order: int
) -> None:
    """Witten & Bell's sum, where more marks seem to stand before the one that begins a document."""
    read, scored = some_documents(train, 1).tolist(), some_documents(held_out, 2).tolist()
    got = ngram_probabilities(as_ids(read), as_ids(scored), V, order, MARK)
    for at in range(order - 1, len(scored)):
        p = 1 / V
        for n in range(order):
            places = [i for i in range(n, len(read)) if before(read, i, n) == before(scored, at, n)]
            followers = [read[i] for i in places]
            if followers:
                D = len(set(followers))
                p = (followers.count(scored[at]) + D * p) / (len(followers) + D)
        assert got[at] == pytest.approx(p, rel=1e-12)


def as_ids(values: list[int]) -> Ids:
    return np.array(values, dtype=np.uint8)


def before(ids: list[int], at: int, n: int) -> list[int]:
    """The n tokens before a place; beyond a mark there are only marks."""
    found: list[int] = []
    for each in ids[at - n : at][::-1]:
        found.append(MARK if MARK in found else each)
    return found


def test_documents_are_told_one_by_one() -> None:
    text = marked(["ab", "c"])
    nats = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    marks = np.array([0, 3, 5])
    result = Evaluation("names", "val", with_line_ends(text), nats, 0, None, marks=marks)
    assert [(each.number, each.text, each.score.nats) for each in result.lines] == [
        (1, "ab", 7.0),
        (2, "c", 24.0),
    ]
    assert [each.score.tokens for each in result.lines] == [3, 2]
    figures = dict(result.per_other_unit())
    assert figures["bits per document"] == pytest.approx(31 / math.log(2) / 2)
    assert figures["word perplexity"] == pytest.approx(math.exp(31 / 2))


def test_intervals_of_documents_draw_whole_documents() -> None:
    lengths = np.random.default_rng(0).integers(1, 9, 60).tolist()
    ids = some_documents(lengths)
    nats = np.random.default_rng(1).exponential(2.0, len(ids) - 1)
    marks = np.flatnonzero(ids == MARK)
    result = Evaluation("names", "val", "x" * len(ids), nats, 0, None, marks=marks)
    found = result.interval
    assert found.value == pytest.approx(result.score.bits)
    assert found.interval is not None
    assert found.interval.blocks == 60
    assert found.interval.low < found.value < found.interval.high


def test_a_word_that_is_unknown_is_spelled_at_its_own_cost() -> None:
    vocabulary = Vocabulary.build("the cat sat on the mat the cat", units=WORDS)
    likely = spelling_nats(vocabulary, [" hat"])
    assert likely < spelling_nats(vocabulary, [" xqz"])
    # Spellings are a distribution: one after the other they cost what they cost alone, but for the
    # letters of context, of which the end of a word is one.
    both = spelling_nats(vocabulary, [" hat", " hat"])
    assert both > likely
    # A letter of which nothing is known is one of all code points.
    assert spelling_nats(vocabulary, ["東"]) > math.log(0x110000)
    assert spelling_nats(vocabulary, []) == 0


def test_all_spellings_together_have_a_probability_of_at_most_one() -> None:
    vocabulary = Vocabulary.build("a b ab ba aa", units=WORDS)
    spellings = [""]
    total = 0.0
    for _ in range(5):
        spellings = [each + letter for each in spellings for letter in " ab"]
        total += sum(math.exp(-spelling_nats(vocabulary, [each])) for each in spellings)
    assert 0.5 < total < 1
