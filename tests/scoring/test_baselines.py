"""The baselines are what their equations say."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charlm.scoring.baselines
from charlm.config import TextConfig
from charlm.scoring.baselines import baselines, ngram, ngram_probabilities, ppm, uniform, xz
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.text.corpus import open_corpus
from charlm.text.splits import Splits
from charlm.text.vocabulary import Ids, Vocabulary


def as_ids(values: Sequence[int]) -> Ids:
    return np.array(values, dtype=np.uint8)


def witten_bell(
    train: Sequence[int], context: tuple[int, ...], c: int, vocabulary_size: int
) -> float:
    """p_k(c | h) by Witten & Bell's equation, counting anew each time; k - 1 is the context's size.

    p_k(c | h) = (N(h c) + D(h) p_{k-1}(c | h')) / (N(h) + D(h)), and p_0 is uniform.
    """
    k = len(context) + 1
    lower = witten_bell(train, context[1:], c, vocabulary_size) if context else 1 / vocabulary_size
    followers: dict[int, int] = {}
    for end in range(k, len(train) + 1):
        *h, follower = train[end - k : end]
        if tuple(h) == context:
            followers[follower] = followers.get(follower, 0) + 1
    N, D = sum(followers.values()), len(followers)
    return (followers.get(c, 0) + D * lower) / (N + D) if N else lower


def slow_ngram(
    train: Sequence[int], held_out: Sequence[int], vocabulary_size: int, order: int
) -> float:
    """Nats of every character of `held_out` after the first, one at a time."""
    nats = 0.0
    for i in range(1, len(held_out)):
        context = tuple(held_out[max(i - order + 1, 0) : i])
        nats -= math.log(witten_bell(train, context, held_out[i], vocabulary_size))
    return nats


def texts(smallest: int, largest: int) -> st.SearchStrategy[list[int]]:
    """Few characters, so that contexts recur; 0 is `<unk>` and as good as any."""
    return st.lists(st.integers(0, 3), min_size=smallest, max_size=largest)


@settings(deadline=None, max_examples=80)
@given(texts(0, 40), texts(1, 12), st.integers(1, 5), st.integers(4, 9))
def test_ngram_is_witten_bell_interpolation(
    train: list[int], held_out: list[int], order: int, vocabulary_size: int
) -> None:
    nats = ngram(as_ids(train), as_ids(held_out), vocabulary_size, order)
    expected = slow_ngram(train, held_out, vocabulary_size, order)
    assert nats == pytest.approx(expected, rel=1e-11, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(texts(0, 40), texts(1, 8), st.integers(1, 6))
def test_ngram_probabilities_of_all_continuations_sum_to_one(
    train: list[int], start: list[int], order: int
) -> None:
    before = ngram(as_ids(train), as_ids(start), 6, order)
    after = [ngram(as_ids(train), as_ids([*start, c]), 6, order) for c in range(6)]
    assert math.fsum(math.exp(before - nats) for nats in after) == pytest.approx(1, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(texts(0, 40), texts(0, 12), st.integers(1, 5), st.integers(1, 13))
def test_ngram_probabilities_are_those_of_each_character_whatever_the_parts(
    train: list[int], held_out: list[int], order: int, part: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charlm.scoring.baselines, "MOST_TOKENS", part)
        got = ngram_probabilities(as_ids(train), as_ids(held_out), 4, order)
    contexts = [tuple(held_out[max(i - order + 1, 0) : i]) for i in range(len(held_out))]
    wanted = [witten_bell(train, h, c, 4) for h, c in zip(contexts, held_out, strict=True)]
    assert got.shape == (len(held_out),)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_a_bigram_by_hand() -> None:
    """After "a" came b, b, c: N = 3, D = 2; of all 6 characters 2 are b, 3 are distinct."""
    train, held_out = as_ids([1, 2, 1, 2, 1, 3]), as_ids([1, 2])
    unigram = (2 + 3 / 4) / (6 + 3)
    assert math.exp(ngram(train, held_out, 4, 1)) == pytest.approx(1 / unigram, rel=1e-14)
    bigram = (2 + 2 * unigram) / (3 + 2)
    assert math.exp(ngram(train, held_out, 4, 2)) == pytest.approx(1 / bigram, rel=1e-14)


def test_nothing_is_counted_across_the_border_of_the_splits() -> None:
    """The bigram "2 1" stands only where the held-out text meets the training text."""
    train, held_out = [1, 1, 1, 2], [1, 2, 1]
    expected = slow_ngram(train, held_out, 3, 2)
    assert ngram(as_ids(train), as_ids(held_out), 3, 2) == pytest.approx(expected, rel=1e-13)
    after_two = witten_bell(train, (2,), 1, 3)
    assert after_two == witten_bell(train, (), 1, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_ngram_reads_ids_of_any_width(dtype: type[np.unsignedinteger]) -> None:
    train, held_out = [1, 200, 3, 1, 200, 3, 250], [1, 200, 3, 250]
    nats = ngram(np.array(train, dtype), np.array(held_out, dtype), 256, 3)
    assert nats == pytest.approx(slow_ngram(train, held_out, 256, 3), rel=1e-13)


@pytest.mark.parametrize("vocabulary_size", [2, 28, 300])
def test_uniform_costs_the_logarithm_of_the_vocabulary(vocabulary_size: int) -> None:
    held_out = as_ids([0, 1, 1, 0, 1])
    nats = uniform(held_out, vocabulary_size)
    assert nats == pytest.approx(4 * math.log(vocabulary_size), rel=1e-14)
    nothing_seen = ngram(as_ids([]), held_out, vocabulary_size, 4)
    assert nothing_seen == pytest.approx(nats, rel=1e-14)


def random_text(seed: int, length: int) -> str:
    letters = np.random.default_rng(seed).integers(ord("a"), ord("z") + 1, length)
    return "".join(map(chr, letters))


def test_xz_pays_for_what_is_new_and_little_for_what_is_repeated() -> None:
    train, new = random_text(0, 20_000), random_text(1, 2_000)
    novel, repeated = xz(train, new), xz(train, train[5_000:7_000])
    assert 0 < repeated < novel / 50
    # Random letters cannot be told in fewer bits than log2 26 = 4.70, nor should they take a byte.
    assert math.log2(26) < novel / math.log(2) / 1_999 < 6


def test_xz_takes_any_text() -> None:
    assert xz("\N{GRINNING FACE}é\n" * 50, "\N{GRINNING FACE}東é" * 20) > 0
    assert xz("lone \ud800 surrogate", "\udfff and another") > 0


@pytest.fixture(scope="module")
def bundled() -> tuple[Ids, Ids, Vocabulary]:
    """The bundled corpus's first nine tenths and the rest."""
    corpus = open_corpus()
    splits = Splits.of(len(corpus.text), TextConfig(val_fraction=0.1))
    train, val = (splits.of_text(corpus.text, name) for name in ("train", "val"))
    vocabulary = Vocabulary.build(train)
    return vocabulary.encode(train), vocabulary.encode(val), vocabulary


def test_the_six_gram_on_the_bundled_corpus(bundled: tuple[Ids, Ids, Vocabulary]) -> None:
    train, held_out, vocabulary = bundled
    bits = ngram(train, held_out, len(vocabulary), 6) / math.log(2) / (len(held_out) - 1)
    assert bits == pytest.approx(1.809, abs=0.0005)


def test_all_baselines_by_name_from_worst_to_best(bundled: tuple[Ids, Ids, Vocabulary]) -> None:
    train, held_out, vocabulary = (bundled[0][:20_000], bundled[1][:4_000], bundled[2])
    scores = baselines(train, held_out, vocabulary, order=4)
    assert list(scores) == ["uniform", "unigram", "4-gram", "xz", "ppm"]
    assert {score.tokens for score in scores.values()} == {3_999}
    assert scores["uniform"] == CrossEntropy(
        pytest.approx(3_999 * math.log(len(vocabulary))), 3_999
    )
    assert scores["4-gram"].nats == ngram(train, held_out, len(vocabulary), 4)
    assert scores["xz"].nats == xz(vocabulary.decode(train), vocabulary.decode(held_out))
    assert scores["ppm"].nats == ppm(train, held_out, len(vocabulary))
    assert scores["uniform"].nats > scores["unigram"].nats > scores["4-gram"].nats

    # The unigram, from its own definition: what smoothing moves is next to nothing here.
    counts = np.bincount(train, minlength=len(vocabulary))
    entropy = -np.log(counts[held_out[1:]] / len(train)).sum()
    assert scores["unigram"].nats == pytest.approx(entropy, rel=1e-3)


def test_of_a_long_text_only_the_end_is_read(
    bundled: tuple[Ids, Ids, Vocabulary], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, held_out, vocabulary = (bundled[0][:5_000], bundled[1][:500], bundled[2])
    monkeypatch.setattr(charlm.scoring.baselines, "MOST_TOKENS", 2_000)
    scores = baselines(train, held_out, vocabulary)
    assert scores["6-gram"].nats == ngram(train[3_000:], held_out, len(vocabulary), 6)
    assert scores == baselines(train[3_000:], held_out, vocabulary)
