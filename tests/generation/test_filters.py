"""The distribution that is drawn from, against slow definitions of it."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from charlm.config import SamplingConfig
from charlm.generation.filters import distribution, min_p, top_k, top_p
from charlm.text.vocabulary import UNKNOWN_ID

Row = list[float]


def slow_softmax(logits: Row, temperature: float) -> Row:
    """Of all entries but `<unk>`, one at a time."""
    best = max(logits[1:])
    if temperature == 0:
        first = 1 + logits[1:].index(best)
        return [float(i == first) for i in range(len(logits))]
    powers = [0.0] + [math.exp((each - best) / temperature) for each in logits[1:]]
    return [each / math.fsum(powers) for each in powers]


def slow_keep(probabilities: Row, kept: set[int]) -> Row:
    total = math.fsum(probabilities[i] for i in kept)
    return [each / total if i in kept else 0.0 for i, each in enumerate(probabilities)]


def by_probability(probabilities: Row) -> list[int]:
    """Best first, of equals the lower id."""
    return sorted(range(len(probabilities)), key=lambda i: (-probabilities[i], i))


def slow_top_k(probabilities: Row, k: int) -> Row:
    return slow_keep(probabilities, set(by_probability(probabilities)[:k]))


def slow_top_p(probabilities: Row, p: float) -> Row:
    kept: list[int] = []
    for i in by_probability(probabilities):
        kept.append(i)
        if math.fsum(probabilities[j] for j in kept) >= p:
            break
    return slow_keep(probabilities, set(kept))


def slow_min_p(probabilities: Row, share: float) -> Row:
    least = share * max(probabilities)
    return slow_keep(probabilities, {i for i, each in enumerate(probabilities) if each >= least})


def slow_distribution(logits: Row, config: SamplingConfig) -> Row:
    row = slow_softmax(logits, config.temperature)
    if config.top_k:
        row = slow_top_k(row, config.top_k)
    if config.top_p < 1:
        row = slow_top_p(row, config.top_p)
    if config.min_p:
        row = slow_min_p(row, config.min_p)
    return row


@st.composite
def exact_rows(draw: st.DrawFn) -> np.ndarray:
    """Probabilities in sixty-fourths, so that all sums are exact; ties and zeros abound."""
    size = draw(st.integers(1, 9))
    borders = draw(st.lists(st.integers(0, 64), min_size=size - 1, max_size=size - 1))
    counts = np.diff([0, *sorted(borders), 64])
    return draw(st.permutations(counts.tolist()).map(lambda row: np.array([row]) / 64))


sixty_fourths = st.integers(1, 64).map(lambda n: n / 64)


@settings(deadline=None)
@given(exact_rows(), st.integers(1, 10))
def test_top_k_keeps_the_k_best_and_of_equals_the_lower_id(row: np.ndarray, k: int) -> None:
    np.testing.assert_allclose(top_k(row, k)[0], slow_top_k(row[0].tolist(), k), rtol=1e-15)


@settings(deadline=None)
@given(exact_rows(), sixty_fourths)
def test_top_p_keeps_the_smallest_set_that_holds_p(row: np.ndarray, p: float) -> None:
    np.testing.assert_allclose(top_p(row, p)[0], slow_top_p(row[0].tolist(), p), rtol=1e-15)


@settings(deadline=None)
@given(exact_rows(), sixty_fourths)
def test_min_p_keeps_what_reaches_a_share_of_the_best(row: np.ndarray, share: float) -> None:
    np.testing.assert_allclose(min_p(row, share)[0], slow_min_p(row[0].tolist(), share), rtol=1e-15)


configs = st.builds(
    SamplingConfig,
    temperature=st.sampled_from([0.0, 0.05, 0.5, 0.8, 1.0, 1.5, 10.0]),
    top_k=st.integers(0, 9),
    top_p=st.sampled_from([1.0, 0.999, 0.9, 0.51, 0.2, 1e-9]),
    min_p=st.sampled_from([0.0, 1e-9, 0.033, 0.3, 0.77, 1.0]),
)
logits_rows = st.integers(2, 8).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-40, 40).map(lambda n: n / 4), min_size=size, max_size=size),
        min_size=1,
        max_size=4,
    )
)


def is_close_call(logits: Row, config: SamplingConfig) -> bool:
    """Whether rounding may decide what top-p or min-p keeps."""
    row = slow_softmax(logits, config.temperature)
    if config.top_k:
        row = slow_top_k(row, config.top_k)
    ranked = sorted(row, reverse=True)
    sums = [math.fsum(ranked[:n]) for n in range(1, len(ranked) + 1)]
    if config.top_p < 1 and any(abs(each - config.top_p) < 1e-12 for each in sums):
        return True
    return 0 < config.min_p < 1 and any(
        abs(each / ranked[0] - config.min_p) < 1e-12 for each in ranked if each
    )


@settings(deadline=None, max_examples=300)
@given(logits_rows, configs)
def test_the_filters_in_their_order_on_texts_side_by_side(
    rows: list[Row], config: SamplingConfig
) -> None:
    assume(not any(is_close_call(row, config) for row in rows))
    probabilities = distribution(np.array(rows), config)
    expected = np.array([slow_distribution(row, config) for row in rows])
    np.testing.assert_array_equal(probabilities > 0, expected > 0)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)


@settings(deadline=None)
@given(logits_rows, configs, st.sampled_from([np.float32, np.float64]))
def test_what_comes_out_is_a_distribution_without_unknown(
    rows: list[Row], config: SamplingConfig, dtype: type[np.floating]
) -> None:
    logits = np.array(rows, dtype=dtype)
    given_logits = logits.copy()
    probabilities = distribution(logits, config)
    np.testing.assert_array_equal(logits, given_logits)
    assert probabilities.dtype == np.float64
    assert probabilities.shape == logits.shape
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
    assert (probabilities[:, UNKNOWN_ID] == 0).all()
    best = logits[:, 1:].argmax(axis=1) + 1
    assert (probabilities[np.arange(len(rows)), best] == probabilities.max(axis=1)).all()


GRID = list(product([0, 1e-3, 1, 100], [0, 1, 5], [1.0, 0.5], [0.0, 1.0]))


@pytest.mark.parametrize(("temperature", "k", "p", "share"), GRID)
def test_unknown_is_never_drawn_however_probable(
    temperature: float, k: int, p: float, share: float
) -> None:
    config = SamplingConfig(temperature=temperature, top_k=k, top_p=p, min_p=share)
    probabilities = distribution(np.array([[1000.0, 0.0, -1.0], [50.0, -900.0, -900.0]]), config)
    assert (probabilities[:, UNKNOWN_ID] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-15)


def test_temperature_divides_the_logits() -> None:
    logits = np.array([[9.0, 2.0, 1.0, 0.0]])
    powers = np.exp(np.array([2.0, 1.0, 0.0]) / 0.7)
    hot = distribution(logits, SamplingConfig(temperature=0.7))
    np.testing.assert_allclose(hot[0, 1:], powers / powers.sum(), rtol=1e-14)
    np.testing.assert_allclose(
        distribution(logits, SamplingConfig(temperature=1e9))[0],
        [0, 1 / 3, 1 / 3, 1 / 3],
        rtol=1e-8,
    )


def test_temperature_zero_is_the_best_one_and_of_equals_the_lower_id() -> None:
    logits = np.array([[9.0, 1.0, 3.0, 2.0], [9.0, -5.0, -2.0, -2.0]], dtype=np.float32)
    config = SamplingConfig(temperature=0, top_k=3, top_p=0.5, min_p=0.1)
    np.testing.assert_array_equal(distribution(logits, config), [[0, 0, 1, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-30, 1e-3])
def test_a_tiny_temperature_comes_to_the_best_one(temperature: float) -> None:
    """Warnings are errors here, an overflow on the way among them."""
    logits = np.array([[0.0, 700.0, 698.0, -700.0]])
    probabilities = distribution(logits, SamplingConfig(temperature=temperature))
    np.testing.assert_array_equal(probabilities, [[0, 1, 0, 0]])
    tie = distribution(np.array([[0.0, 3.0, 3.0, 2.0]]), SamplingConfig(temperature=temperature))
    np.testing.assert_array_equal(tie, [[0, 0.5, 0.5, 0]])


@pytest.mark.parametrize("temperature", [1.0, 1e300])
def test_enormous_logits_do_not_overflow(temperature: float) -> None:
    logits = np.array([[0.0, 1e38, -1e38, 1e38]], dtype=np.float32)
    probabilities = distribution(logits, SamplingConfig(temperature=temperature))
    assert np.isfinite(probabilities).all()
    assert probabilities[0, 1] == probabilities[0, 3] >= 1 / 3


def test_top_k_of_equals_takes_the_lower_ids() -> None:
    row = np.array([[0.1, 0.3, 0.3, 0.3]])
    np.testing.assert_allclose(top_k(row, 1), [[0, 1, 0, 0]])
    np.testing.assert_allclose(top_k(row, 2), [[0, 0.5, 0.5, 0]])
    np.testing.assert_allclose(top_k(row, 4), row)
    np.testing.assert_allclose(top_k(row, 100), row)


@pytest.mark.parametrize("p", [5e-324, 1e-9, 0.2, 0.4])
def test_top_p_keeps_the_best_however_small_p(p: float) -> None:
    np.testing.assert_array_equal(top_p(np.array([[0.25, 0.4, 0.35]]), p), [[0, 1, 0]])


def test_top_p_stops_where_p_is_just_reached() -> None:
    row = np.array([[0.25, 0.5, 0.125, 0.125]])
    np.testing.assert_array_equal(top_p(row, 0.5), [[0, 1, 0, 0]])
    np.testing.assert_allclose(top_p(row, 0.51), [[1 / 3, 2 / 3, 0, 0]])
    np.testing.assert_allclose(top_p(row, 0.75), [[1 / 3, 2 / 3, 0, 0]])
    np.testing.assert_array_equal(top_p(row, 1.0), row)


def test_min_p_of_one_keeps_the_best_alone_and_its_equals() -> None:
    row = np.array([[0.4, 0.2, 0.4], [0.2, 0.5, 0.3]])
    np.testing.assert_array_equal(min_p(row, 1.0), [[0.5, 0, 0.5], [0, 1, 0]])


# Each pair of filters, on probabilities 0.4, 0.3, 0.2 and 0.1, keeps another number of characters
# in the documented order than in the reverse one.
@pytest.mark.parametrize(
    ("values", "kept"),
    [
        pytest.param({"temperature": 0.5, "top_p": 0.5}, 1, id="temperature before top-p"),
        pytest.param({"temperature": 2.0, "min_p": 0.6}, 3, id="temperature before min-p"),
        pytest.param({"top_k": 2, "top_p": 0.5}, 1, id="top-k before top-p"),
        pytest.param({"top_p": 0.45, "min_p": 0.7}, 2, id="top-p before min-p"),
    ],
)
def test_filters_come_in_their_order(values: dict[str, float], kept: int) -> None:
    logits = np.log([[1e9, 0.4, 0.3, 0.2, 0.1]])
    assert np.count_nonzero(distribution(logits, SamplingConfig(**values))) == kept
