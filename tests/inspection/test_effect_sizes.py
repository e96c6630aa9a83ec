"""AUC and R² within strata, against counting pairs and NumPy's least squares."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.inspection.effect_sizes import StratumMeans, auc, r_squared, ranks_within


def counted(values: list[float], strata: list[int], holds: list[int]) -> float:
    """AUC by looking at all pairs."""
    score, pairs = 0.0, 0
    for a, s, p in zip(values, strata, holds, strict=True):
        for b, t, q in zip(values, strata, holds, strict=True):
            if s == t and p and not q:
                score += (a > b) + (a == b) / 2
                pairs += 1
    return score / pairs if pairs else np.nan


CASE = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.25, 3.0]), st.integers(0, 3), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(CASE)
def test_auc_counts_pairs(case: list[tuple[float, int, int]]) -> None:
    values, strata, holds = (list(each) for each in zip(*case, strict=True))
    activity = np.array([values, [-each for each in values]], np.float32).T
    found = auc(activity, np.array(strata), np.array(holds, np.float32)[:, None])[:, 0]
    wanted = counted(values, strata, holds)
    np.testing.assert_allclose(found, [wanted, 1 - wanted], rtol=1e-12)


def test_ranks() -> None:
    values = np.array([3, 1, 1, 5, 2], np.float32)
    assert ranks_within(values, np.array([0, 0, 0, 7, 7])).tolist() == [3, 1.5, 1.5, 2, 1]


def test_a_unit_that_only_reads_the_character_is_no_better_than_chance() -> None:
    """Though without strata it seems to be."""
    generator = np.random.default_rng(0)
    characters = generator.integers(3, size=3_000)
    holds = (generator.random(3_000) < np.array([0.1, 0.5, 0.9])[characters]).astype(np.float32)
    activity = np.array([-1, 0.2, 0.7], np.float32)[characters][:, None]
    assert auc(activity, np.zeros_like(characters), holds[:, None])[0, 0] > 0.75
    assert auc(activity, characters, holds[:, None])[0, 0] == 0.5
    assert not StratumMeans(activity, characters).residuals(activity, characters).any()


def test_r_squared_is_that_of_least_squares_on_other_text() -> None:
    generator = np.random.default_rng(0)
    strata = generator.integers(4, size=400)
    activity = generator.normal(size=(400, 2)).astype(np.float32)
    properties = (activity @ generator.normal(size=(2, 3)) + strata[:, None]).astype(np.float32)
    properties += generator.normal(size=properties.shape).astype(np.float32)
    first, second = slice(250), slice(250, None)
    means = [StratumMeans(each[first], strata[first]) for each in (activity, properties)]
    parts = [
        mean.residuals(each[half], strata[half])
        for half in (first, second)
        for mean, each in zip(means, (activity, properties), strict=True)
    ]
    found = r_squared(*parts)
    for u in range(2):
        for q in range(3):
            # Strata as indicators, and the activity beside them: the means and then the slope.
            indicators = np.eye(4)[strata]
            mean = np.linalg.lstsq(indicators[first], properties[first, q], rcond=None)[0]
            own = np.linalg.lstsq(indicators[first], activity[first, u], rcond=None)[0]
            x, y = activity[:, u] - indicators @ own, properties[:, q] - indicators @ mean
            slope = np.linalg.lstsq(x[first, None], y[first], rcond=None)[0][0]
            wanted = 1 - ((y - slope * x)[second] ** 2).sum() / (y[second] ** 2).sum()
            np.testing.assert_allclose(found[u, q], wanted, rtol=1e-5)


def test_an_unknown_stratum_has_the_mean_of_all() -> None:
    values = np.array([[1.0], [3.0], [8.0]], np.float32)
    means = StratumMeans(values, np.array([0, 0, 2]))
    left = means.residuals(np.full((4, 1), 5, np.float32), np.array([0, 1, 2, 9]))
    assert left[:, 0].tolist() == [3, 1, -3, 1]
