"""The linear shift test against a plain loop, and on series that are independent."""

import numpy as np
import pytest
from chance import binomial_tail
from numpy.typing import NDArray

from charlm.errors import UsageError
from charlm.inspection.shift_test import LEAST_CHARACTERS, ShiftPlan, ShiftTest, shift_test

PLAN = ShiftPlan(start=20, stop=60, step=4, shifts=5)


def autocorrelated(generator: np.random.Generator, length: int, series: int) -> NDArray[np.float32]:
    """AR(1) with coefficient 0.95: neighbours are all but the same."""
    values = generator.normal(size=(length, series))
    for t in range(1, length):
        values[t] += 0.95 * values[t - 1]
    return values.astype(np.float32)


def plainly(
    units: list[NDArray[np.float32]], properties: NDArray[np.float32], plan: ShiftPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlations and p, by the definition, one pair and one shift at a time."""
    every = np.concatenate(units, axis=1).astype(float)
    K, S, Q = 2 * plan.shifts + 1, every.shape[1], properties.shape[1]
    r = np.zeros((K, S, Q))
    for k in range(K):
        shift = (k - plan.shifts) * plan.step
        for s in range(S):
            for q in range(Q):
                window = every[plan.start : plan.stop, s]
                other = properties[plan.start + shift : plan.stop + shift, q]
                r[k, s, q] = np.corrcoef(window, other)[0, 1]
    fisher = np.log((1 + np.abs(r)) / (1 - np.abs(r))) / 2
    z = (fisher - fisher.mean(0)) / fisher.std(0)
    largest = z.max(axis=(1, 2))
    at_least = (largest[:, None, None] >= z[plan.shifts] - 1e-9).sum(0)
    return r[plan.shifts], np.minimum(at_least / (plan.shifts + 1), 1)


def test_it_is_what_the_definition_says() -> None:
    generator = np.random.default_rng(0)
    units = [autocorrelated(generator, 80, n) for n in (3, 2)]
    properties = autocorrelated(generator, 80, 4)
    properties[:, 1] += 3 * units[1][:, 0]
    found = shift_test(
        [(each, each) for each in units], [properties[:, :1], properties[:, 1:]], PLAN
    )
    correlation, p = plainly(units, properties, PLAN)
    # Sums of 40 products in float32.
    np.testing.assert_allclose(found.correlation, correlation, atol=40 * 2**-23)
    np.testing.assert_array_equal(found.p, p)
    assert p.min() == 1 / 6 == p[3, 1]


def test_what_is_constant_is_no_finding() -> None:
    generator = np.random.default_rng(0)
    units, properties = autocorrelated(generator, 80, 3), autocorrelated(generator, 80, 2)
    units[:, 1], properties[:, 0] = 0.3, 0.7
    found = shift_test([(units,)], [properties], PLAN)
    assert not found.correlation[1].any()
    assert not found.correlation[:, 0].any()
    assert (found.p[1] == 1).all()
    assert np.isfinite(found.p).all()


@pytest.mark.parametrize("length", [LEAST_CHARACTERS, 5_000, 9_999, 100_000])
def test_nothing_wraps_around(length: int) -> None:
    plan = ShiftPlan.of(length)
    assert len(plan.offsets) == 2 * plan.shifts + 1
    assert plan.offsets[plan.shifts] == plan.start
    assert plan.offsets[0] >= 0
    assert plan.offsets[-1] + plan.stop - plan.start <= length
    assert plan.stop - plan.start >= length / 2


def test_a_short_text_is_refused() -> None:
    with pytest.raises(UsageError, match=r"3,959 characters is too short for 199 shifts"):
        ShiftPlan.of(LEAST_CHARACTERS - 1)


def of_independent(seed: int) -> ShiftTest:
    generator = np.random.default_rng(seed)
    plan = ShiftPlan(start=495, stop=1_495, step=5)
    units, properties = autocorrelated(generator, 1_990, 6), autocorrelated(generator, 1_990, 5)
    return shift_test([(units,)], [properties], plan)


def test_independent_series_are_left_alone() -> None:
    """Of 40 draws at most 7 have p ≤ 0.05: more have a probability below 1 in 500, at 0.05 each."""
    assert binomial_tail(40, 0.05, 8) < 1 / 500 * 1.2
    assert sum(of_independent(seed).p.min() <= 0.05 for seed in range(40)) <= 7


def test_a_test_that_shuffles_would_not_leave_them_alone() -> None:
    """So that the test above can fail: the same series, each pair's null by shuffling one."""
    alarms = 0
    for seed in range(10):
        generator = np.random.default_rng(seed)
        unit, other = autocorrelated(generator, 1_000, 2).T
        shuffled = [np.corrcoef(unit, generator.permutation(other))[0, 1] for _ in range(99)]
        alarms += np.abs(np.corrcoef(unit, other)[0, 1]) > np.quantile(np.abs(shuffled), 0.95)
    assert alarms >= 5
