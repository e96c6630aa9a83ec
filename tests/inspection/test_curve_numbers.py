"""Thinned curves keep every spike and every gap; smoothing is the mean loss of all items."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.files import strict_json
from charlm.inspection.curves import RunCurves, Series, TrainingCurves, is_wide, smooth, thin

NAN = float("nan")
VALUES = st.one_of(st.just(NAN), st.floats(-100, 100))


@st.composite
def curves(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """A curve and a number of bins that is often far smaller."""
    n = draw(st.integers(1, 90))
    steps = draw(st.lists(st.integers(1, 50), min_size=n, max_size=n))
    y = draw(st.lists(VALUES, min_size=n, max_size=n))
    return np.cumsum(steps).astype(float), np.array(y), draw(st.integers(1, 12))


@given(curves())
def test_thinning_keeps_the_least_and_the_greatest_of_each_bin(
    curve: tuple[np.ndarray, np.ndarray, int],
) -> None:
    x, y, bins = curve
    kept = thin(x, y, bins)
    assert np.all(np.diff(kept) > 0)
    assert {0, len(x) - 1} <= set(kept.tolist())
    assert len(kept) <= max(2 * bins, 3 * bins + 2)
    if len(x) <= 2 * bins:
        assert len(kept) == len(x)
        return
    # Each point's bin, point by point.
    width = x[-1] - x[0]
    bin_of = [min(int(bins * ((each - x[0]) / width)), bins - 1) for each in x]
    for number in set(bin_of):
        inside = {i for i, each in enumerate(bin_of) if each == number}
        shown = inside & set(kept.tolist())
        missing = {i for i in inside if np.isnan(y[i])}
        if inside - missing:
            assert min(y[i] for i in shown - missing) == min(y[i] for i in inside - missing)
            assert max(y[i] for i in shown - missing) == max(y[i] for i in inside - missing)
        assert bool(shown & missing) == bool(missing)


def test_a_long_curve_keeps_every_spike_in_few_points() -> None:
    n = 100_000
    y = np.random.default_rng(0).normal(1, 0.01, n)
    spikes = [3, 40_000, 40_001, 99_998]
    y[spikes] = 50 + np.arange(4)
    series = Series.of(range(n), y).thinned(1000)
    assert len(series.x) <= 2002
    assert set(spikes) - {40_000} <= set(series.x.astype(int))  # the lower of two in one bin
    assert series.y.max() == y.max()
    assert series.y.min() == y.min()
    for at, value in zip(series.x.astype(int), series.y, strict=True):
        assert value == y[at]


def brute_force(losses: list[float], items: list[int], window: int) -> list[float]:
    """The mean over single items and halves of them, around the middle of each point's items."""
    each = [loss for loss, number in zip(losses, items, strict=True) for _ in range(2 * number)]
    found, start = [], 0
    for loss, number in zip(losses, items, strict=True):
        middle = start + number  # of 2 · number halves
        half = min(window, middle, len(each) - middle)
        inside = [value for value in each[middle - half : middle + half] if not np.isnan(value)]
        found.append(loss if number >= window or np.isnan(loss) else float(np.mean(inside)))
        start += 2 * number
    return found


@given(
    st.lists(
        st.tuples(st.one_of(st.just(NAN), st.floats(0, 10)), st.integers(1, 9)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 60),
)
def test_smoothing_is_the_mean_over_single_items(
    points: list[tuple[float, int]], window: int
) -> None:
    losses, items = [loss for loss, _ in points], [number for _, number in points]
    found = smooth(np.array(losses), np.array(items, float), window)
    # Sums of at most 360 items of at most 10 nats, in float64.
    np.testing.assert_allclose(found, brute_force(losses, items, window), atol=1e-11)


def test_smoothing_over_no_more_than_the_own_items_changes_nothing() -> None:
    losses = np.array([4.0, 1.0, 7.0])
    np.testing.assert_array_equal(smooth(losses, np.full(3, 10.0), 10), losses)


def test_smoothing_leaves_a_straight_line_straight() -> None:
    losses = np.linspace(5, 1, 50)
    found = smooth(losses, np.full(50, 64.0), 640)
    np.testing.assert_allclose(found, losses, rtol=1e-12)


def test_what_is_not_finite_was_not_measured() -> None:
    series = Series.of([1, 2, 3, 4, 5], [1.0, float("inf"), 2.0, NAN, 3.0])
    assert series.measured.tolist() == [True, False, True, False, True]
    assert series.alone == [0, 2, 4]
    assert Series.of([1, 2, 3], [1.0, 2.0, NAN]).alone == []
    assert Series.of([1], [NAN]).is_empty


def test_a_logarithmic_axis_is_for_positive_numbers_far_apart() -> None:
    def wide(*values: float) -> bool:
        return is_wide([Series.of(range(len(values)), values)])

    assert wide(0.001, 1.0)
    assert not wide(0.1, 1.0)
    assert not wide(0.0, 1000.0)
    assert not wide(-1.0, 1000.0)
    assert not wide(NAN)
    assert is_wide([]) is False


def test_json_has_null_where_nothing_was_measured() -> None:
    run = RunCurves("mine", training=Series.of([1, 2], [NAN, 2.5]))
    values = TrainingCurves("", "training steps", "nats", (run,)).to_json()
    read = json.loads(strict_json.dumps(values))
    assert read["runs"][0]["training"] == {"x": [1.0, 2.0], "y": [None, 2.5]}
    assert read["runs"][0]["held_out"] == {"x": [], "y": []}


@pytest.mark.parametrize("n", [1, 2])
def test_few_points_are_all_kept(n: int) -> None:
    assert thin(np.arange(float(n)), np.zeros(n), 1).tolist() == list(range(n))
