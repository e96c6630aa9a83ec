"""Surprise, character by character: the numbers of a score, one by one."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from charlm.config import ModelConfig
from charlm.inspection.surprise import TextSurprise, text_surprise
from charlm.language_model import LanguageModel
from charlm.scoring.exact import CHUNK, surprise

ENTRIES = ("<unk>", *"abcdefg")
V = len(ENTRIES)


def model_of(seed: int = 0) -> LanguageModel:
    config = ModelConfig(cell="lstm", vocabulary_size=V, hidden_size=5, num_layers=2)
    model = LanguageModel(config, "scratch")
    model.initialize("uniform", seed)
    return model.eval()


def some_ids(length: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, V, length).astype(np.uint8)


def text_of(ids: np.ndarray) -> str:
    return "".join(ENTRIES[i][0] for i in ids)


@pytest.mark.parametrize("length", [2, 3, CHUNK + 1, 2 * CHUNK + 7])
def test_it_is_the_surprise_of_a_score(length: int) -> None:
    model, ids = model_of(), some_ids(length)
    found = text_surprise(model, text_of(ids), ids, ENTRIES)
    plain = surprise(model, ids)
    assert found.nats.tobytes() == plain.tobytes()
    assert found.score.nats == float(plain.sum())
    assert len(found.bits) == len(found.alternatives) == length - 1


def test_alternatives_are_the_likeliest_by_brute_force() -> None:
    model, ids = model_of(), some_ids(50)
    found = text_surprise(model, text_of(ids), ids, ENTRIES, alternatives=3)
    with torch.no_grad():
        logits, _ = model(torch.tensor(ids[:-1].astype(np.int64))[:, None], model.initial_state(1))
    p = F.softmax(logits[:, 0].double(), 1).numpy()
    for at in range(1, 50):
        told = found.likeliest(at)
        expected = sorted(range(V), key=lambda i: -p[at - 1][i])[:3]
        assert [name for name, _ in told] == [ENTRIES[i] for i in expected]
        # Each is a float32 logarithm of V terms: a few roundings of a number below 4.
        shares = [share for _, share in told]
        assert shares == pytest.approx([p[at - 1][i] for i in expected], rel=4 * V * 2**-23)
    assert found.bits[4] == pytest.approx(-math.log2(p[4][ids[5]]), abs=4 * V * 2**-23)


def test_more_alternatives_than_entries_are_all_of_them() -> None:
    found = text_surprise(model_of(), "abc", np.array([1, 2, 3]), ENTRIES, alternatives=99)
    assert [len(found.likeliest(at)) for at in (1, 2)] == [V, V]
    assert sum(p for _, p in found.likeliest(1)) == pytest.approx(1, abs=V * 2**-22)


def test_a_uniform_model_has_log2_of_v_bits_everywhere() -> None:
    model = model_of().double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    found = text_surprise(model, text_of(some_ids(200)), some_ids(200), ENTRIES)
    # The logarithm of V = 8 is rounded once, and so is its quotient by ln 2.
    assert np.abs(found.bits - math.log2(V)).max() <= 2 * math.log2(V) * 2**-52
    assert all(p == pytest.approx(1 / V, rel=2**-50) for _, p in found.likeliest(7))


def test_a_model_that_knows_its_text_by_heart_is_not_surprised() -> None:
    """A counter: h tells the position in the text, whatever is read, and the output what comes."""
    ids = np.array([1, 5, 2, 2, 7, 1, 3])
    n = len(ids)
    config = ModelConfig(cell="rnn", vocabulary_size=V, hidden_size=n, embedding_size=0)
    model = LanguageModel(config, "scratch").eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        weights = model.rnn.layer_weights(0)
        # Position 0 is held by the bias; each step moves the mark on, and tanh(±20) is ±1.
        for at in range(n - 1):
            weights.U[at + 1, at] = 40.0
        weights.b.fill_(-20.0)
        weights.b[0] = 20.0
        # The state before is 0 only at first; then the mark at 0 must go out again.
        for at in range(n):
            weights.U[0, at] = -40.0 if at < n - 1 else 0.0
    # Read the states and solve for an output that tells each from the others.
    with torch.no_grad():
        reads = torch.tensor(ids[:-1])[:, None]
        hidden, _ = model.rnn(reads, model.initial_state(1))
        states = hidden[:, 0]
        assert torch.linalg.matrix_rank(states.double()) == n - 1
        wanted = 60.0 * F.one_hot(torch.tensor(ids[1:]), V).double()
        solved = torch.linalg.pinv(states.double()) @ wanted
        model.output.weight.copy_(solved.t().float())
        model.output.bias.zero_()
    found = text_surprise(model, text_of(ids), ids, ENTRIES)
    assert found.bits.max() < 1e-6


def of_bits(bits: list[float]) -> TextSurprise:
    n = len(bits)
    nothing = np.zeros((n, 0))
    return TextSurprise(
        "a" * (n + 1), np.array(bits) * math.log(2), nothing.astype(np.int64), nothing, ENTRIES
    )


@given(
    st.lists(st.integers(0, 50).map(float), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(1, 8),
)
def test_most_surprising_passages_by_brute_force(
    bits: list[float], number: int, length: int
) -> None:
    found = of_bits(bits).most_surprising(number, length)
    length = min(length, len(bits))
    left = [(sum(bits[i : i + length]) / length, i) for i in range(len(bits) - length + 1)]
    for passage in found:
        best = max(mean for mean, _ in left)
        assert passage.bits == pytest.approx(best)
        assert passage.stop - passage.start == length
        # Characters are counted from the first, which has no surprise.
        start = passage.start - 1
        assert sum(bits[start : start + length]) / length == pytest.approx(best)
        left = [(mean, i) for mean, i in left if abs(i - start) >= length]
    assert len(found) == number or not left


def test_json_has_a_row_for_each_character() -> None:
    found = text_surprise(model_of(), "abca", np.array([1, 2, 3, 1]), ENTRIES)
    told = found.to_json()
    assert [row["character"] for row in told["text"]] == list("abca")
    assert told["text"][0]["bits"] is None
    assert [row["bits"] for row in told["text"][1:]] == found.bits.tolist()
    mean = sum(row["bits"] for row in told["text"][1:]) / 3
    assert told["bits_per_character"] == pytest.approx(mean)
