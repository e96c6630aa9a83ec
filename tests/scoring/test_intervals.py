"""Intervals cover what they say, also of series; none is given where nothing can be said."""

import math
import re
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from series import autoregressive

from charlm.scoring import intervals
from charlm.scoring.block_bootstrap import resampled_means
from charlm.scoring.intervals import Estimate, ItemValues, estimate, paired_difference, tail

Floats = npt.NDArray[np.float64]
# Of a share in so many draws: the true one is this many standard errors away once in a thousand.
Z = 3.3


def items(values: Floats, series: bool = True, identity: str = "same") -> ItemValues:
    return ItemValues(values, "character", identity, series)


def covers(found: Estimate, truth: float = 0.0) -> bool:
    assert found.interval is not None, found.note
    return found.interval.low <= truth <= found.interval.high


def assert_share(hits: int, draws: int, share: float) -> None:
    assert abs(hits / draws - share) <= Z * math.sqrt(share * (1 - share) / draws)


def test_95_percent_are_covered() -> None:
    draws = autoregressive(80, 2000, 0.6)
    assert_share(sum(covers(estimate(items(x))) for x in draws), len(draws), 0.95)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "phi"), [(1000, 0.0), (2000, 0.6), (5000, 0.8)])
def test_95_percent_are_covered_and_not_if_values_were_independent(n: int, phi: float) -> None:
    draws = autoregressive(300, n, phi, seed=1)
    hits = sum(covers(estimate(items(x))) for x in draws)
    assert_share(hits, len(draws), 0.95)
    # Were these values taken to be independent, the interval would be sqrt((1 - φ) / (1 + φ)) of
    # what it has to be.
    narrow = sum(covers(estimate(items(x, series=False))) for x in draws[:100])
    z = NormalDist().inv_cdf(0.975) * math.sqrt((1 - phi) / (1 + phi))
    assert_share(narrow, 100, 2 * NormalDist().cdf(z) - 1)


@pytest.mark.slow
def test_95_percent_are_covered_where_whole_groups_are_alike() -> None:
    random, hits = np.random.default_rng(2), 0
    for _ in range(300):
        sizes = random.integers(1, 9, 100)
        groups = np.repeat(np.arange(100), sizes)
        x = np.repeat(random.normal(size=100), sizes) + random.normal(size=len(groups))
        hits += covers(estimate(ItemValues(x, "text", "", groups=groups)))
    assert_share(hits, 300, 0.95)


@pytest.mark.slow
def test_95_percent_of_differences_and_of_roots_are_covered() -> None:
    """Of the difference of two roots of mean squares, whose truth is known."""
    random, hits, figure = np.random.default_rng(3), 0, np.sqrt
    for x in autoregressive(300, 1000, 0.5, seed=4):
        errors = random.normal(size=(2, 1000))
        one, other = (x + errors[0]) ** 2, (x + 2 * errors[1]) ** 2
        truth = math.sqrt(1 / 0.75 + 1) - math.sqrt(1 / 0.75 + 4)
        hits += covers(paired_difference(items(one), items(other), figure), truth)
    assert_share(hits, 300, 0.95)


def test_a_pair_is_told_apart_where_two_intervals_overlap() -> None:
    """What is hard for both models cancels out of the difference."""
    (hard,) = autoregressive(1, 4000, 0.8, seed=5)
    random = np.random.default_rng(6)
    one, other = (items(hard + 0.05 * i + 0.1 * random.normal(size=4000)) for i in range(2))
    first, second = estimate(one).interval, estimate(other).interval
    assert first is not None
    assert second is not None
    assert first.high > second.low
    found = paired_difference(other, one)
    assert found.interval is not None
    assert found.interval.low > 0
    assert found.value == pytest.approx(other.values.mean() - one.values.mean(), abs=1e-12)
    # The mean of 4,000 differences whose noise is sqrt(2) · 0.1; four times the error of a width.
    width = 2 * 1.96 * math.sqrt(2) * 0.1 / math.sqrt(4000)
    assert found.interval.width == pytest.approx(width, rel=0.2)
    assert found.interval.width < first.width / 10


def test_the_difference_turns_with_the_order() -> None:
    one, other = (items(x) for x in autoregressive(2, 1000, 0.5))
    there, back = paired_difference(one, other), paired_difference(other, one)
    assert there.value == -back.value
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval.low == pytest.approx(-back.interval.high)


def test_different_items_are_no_pair() -> None:
    x = np.arange(300.0)
    with pytest.raises(ValueError, match="different items"):
        paired_difference(items(x), items(x, identity="other"))
    with pytest.raises(ValueError, match="different items"):
        paired_difference(items(x), items(x[:-1]))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (items(np.arange(199.0)), "199 characters, and it takes 200"),
        (items(np.arange(2000.0)), "blocks of .* characters, and it takes 30"),
        (items(np.arange(29.0), series=False), "29 characters, and it takes 30"),
        (items(np.ones(500)), "every character has the same value"),
        (items(np.r_[np.arange(400.0), np.inf]), "not finite"),
        (items(np.r_[np.arange(400.0), np.nan]), "not finite"),
        (ItemValues(np.arange(90.0), "text", "", groups=np.arange(90) // 4), "23 groups"),
        (items(np.empty(0)), "0 characters"),
    ],
)
def test_no_interval_and_why(given: ItemValues, why: str) -> None:
    found = estimate(given)
    assert found.interval is None
    assert pytest.approx(found.value, nan_ok=True) == (
        given.values.mean() if len(given.values) else math.nan
    )
    assert re.search(why, found.note), found.note


def test_the_fewest_that_suffice() -> None:
    random = np.random.default_rng(0)
    assert estimate(items(random.normal(size=200))).interval is not None
    assert estimate(items(random.normal(size=30), series=False)).interval is not None
    groups = np.arange(90) // 3
    assert estimate(ItemValues(random.normal(size=90), "text", "", groups=groups)).interval


def test_the_same_model_twice_differs_nowhere() -> None:
    x = items(np.arange(300.0))
    assert paired_difference(x, x) == Estimate(0.0, None, "Both do alike on every character.")


def test_a_block_length_that_does_not_suffice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    (x,) = autoregressive(1, 20_000, 0.9)
    settled = estimate(items(x))
    assert settled.interval is not None
    assert not settled.note
    monkeypatch.setattr(intervals, "block_length", lambda series: 5.0)
    found = estimate(items(x))
    assert found.interval is not None
    assert found.interval.block == 10
    single, double = (resampled_means(x[:, None], each).std() for each in (5, 10))
    told = re.search(r"In blocks of 10 characters the interval is (\d+)% wider", found.note)
    assert told
    # Of 4,000 resamples: four standard errors of each standard deviation, as much for quantiles.
    assert 1 + int(told[1]) / 100 == pytest.approx(double / single, rel=16 / math.sqrt(2 * 4000))


def test_few_blocks_make_the_interval_wider_as_students_t_does() -> None:
    """Quantiles of t from a table: two-sided 95 % for 14, 29 and 99 degrees of freedom."""
    for degrees, t in ((14, 2.1448), (29, 2.0452), (99, 1.9842)):
        n = degrees + 1
        expected = NormalDist().cdf(-math.sqrt(n / degrees) * t)
        assert tail(n) == pytest.approx(expected, rel=2e-3)
    assert tail(10**7) == pytest.approx(0.025, rel=1e-5)
