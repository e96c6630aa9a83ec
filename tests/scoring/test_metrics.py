"""Scores add up, and every way of writing one says the same."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.scoring.cross_entropy import CrossEntropy

nats = st.floats(0, 1e9, allow_subnormal=False)
characters = st.integers(1, 10**9)
losses = st.lists(st.floats(0, 40), max_size=40)


def score_of(losses: list[float]) -> CrossEntropy:
    return CrossEntropy(math.fsum(losses), len(losses))


@settings(deadline=None)
@given(losses, losses, losses)
def test_scores_of_disjoint_spans_add_up(a: list[float], b: list[float], c: list[float]) -> None:
    whole = score_of(a + b + c)
    for parts in (
        score_of(a) + score_of(b) + score_of(c),
        score_of(c) + (score_of(a) + score_of(b)),
        sum([score_of(a), score_of(b), score_of(c)], CrossEntropy()),
    ):
        assert parts.characters == whole.characters
        assert parts.nats == pytest.approx(whole.nats, rel=1e-14)


@settings(deadline=None)
@given(nats, characters)
def test_nothing_added_changes_nothing(nats: float, characters: int) -> None:
    assert CrossEntropy(nats, characters) + CrossEntropy() == CrossEntropy(nats, characters)
    assert CrossEntropy() + CrossEntropy(nats, characters) == CrossEntropy(nats, characters)


@settings(deadline=None)
@given(st.floats(0, 600), characters)
def test_perplexity_bits_and_nats_agree(per_character: float, characters: int) -> None:
    score = CrossEntropy(per_character * characters, characters)
    assert score.nats_per_character == pytest.approx(per_character, rel=1e-14)
    # 2 ** bits multiplies the rounding of the exponent by up to 600 · ln 2.
    assert score.perplexity == pytest.approx(2**score.bits_per_character, rel=1e-12)
    assert math.log(score.perplexity) == pytest.approx(per_character, rel=1e-12, abs=1e-15)
    assert score.bits_per(characters) == pytest.approx(score.bits_per_character, rel=1e-14)
    assert score.bits_per(2 * characters) == pytest.approx(score.bits_per_character / 2, rel=1e-14)


@pytest.mark.parametrize("choices", [1, 2, 28, 256, 143_859])
def test_a_uniform_guess_among_some_characters_is_as_perplexed_as_there_are(choices: int) -> None:
    score = score_of([math.log(choices)] * 1000)
    assert score.perplexity == pytest.approx(choices, rel=1e-12)
    assert score.bits_per_character == pytest.approx(math.log2(choices), rel=1e-12)


def test_perplexity_is_of_the_whole_and_no_mean_of_perplexities() -> None:
    easy, hard = CrossEntropy(0.0, 3), CrossEntropy(math.log(16), 1)
    assert (easy + hard).perplexity == pytest.approx(2.0, rel=1e-14)


def test_a_perplexity_beyond_any_float_is_infinite() -> None:
    largest = math.log(1.7e308)
    assert CrossEntropy(largest, 1).perplexity == pytest.approx(1.7e308, rel=1e-9)
    assert CrossEntropy(largest + 1, 1).perplexity == math.inf
    assert CrossEntropy(1e300, 1).perplexity == math.inf
    assert CrossEntropy(math.inf, 5).perplexity == math.inf
    assert CrossEntropy(1e300, 1).bits_per_character == pytest.approx(1e300 / math.log(2))


def test_where_nothing_was_predicted_there_is_no_number() -> None:
    empty = CrossEntropy()
    assert (empty.nats, empty.characters) == (0.0, 0)
    assert math.isnan(empty.nats_per_character)
    assert math.isnan(empty.perplexity)
    assert math.isnan(empty.bits_per_character)
    assert math.isnan(CrossEntropy(3.0, 2).bits_per(0))


def test_the_written_form_holds_every_way_of_saying_it() -> None:
    assert CrossEntropy(4 * math.log(8), 4).to_json() == {
        "characters": 4,
        "nats": pytest.approx(8.317766166719343),
        "nats_per_character": pytest.approx(2.0794415416798357),
        "perplexity": pytest.approx(8.0),
        "bits_per_character": pytest.approx(3.0),
    }
