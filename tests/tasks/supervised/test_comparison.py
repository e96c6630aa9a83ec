"""Better, worse, or not to be told apart."""

import numpy as np
import pytest

from charlm.scoring import block_bootstrap
from charlm.tasks.supervised.comparison import paired_interval, verdict


def test_models_that_do_alike_cannot_be_told_apart() -> None:
    right = np.random.default_rng(0).random(400) < 0.7
    low, high = paired_interval(right, right)
    assert low == high == 0
    assert "cannot tell it apart from 'x'" in verdict((low, high), "x", "0", True, "texts")


def test_better_and_worse_by_what_is_a_gain() -> None:
    right = np.random.default_rng(0).random(400) < 0.7
    better = right | (np.random.default_rng(1).random(400) < 0.3)
    low, high = paired_interval(better, right)
    assert 0 < low < better.mean() - right.mean() < high
    worse = paired_interval(right, better)
    assert worse == pytest.approx((-high, -low), abs=0.02)
    for gains, one, other in ((True, "Better", "Worse"), (False, "Worse", "Better")):
        assert verdict((low, high), "x", "", gains, "rows").startswith(f"{one} than 'x'")
        assert verdict(worse, "x", "", gains, "rows").startswith(f"{other} than 'x'")


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.random(150) < 0.8, rng.random(150) < 0.7
    rows = rng.integers(0, 150, (4000, 150))
    differences = one[rows].mean(1) - other[rows].mean(1)
    plain = np.quantile(differences, (0.025, 0.975))
    np.testing.assert_allclose(paired_interval(one, other), plain, atol=0.012)


def test_groups_stand_for_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    one, other = rng.random(3000) < 0.8, rng.random(3000) < 0.78
    whole = paired_interval(one, other)
    monkeypatch.setattr(block_bootstrap, "MOST_BLOCKS", 1000)
    np.testing.assert_allclose(paired_interval(one, other), whole, atol=0.004)


def test_blocks_are_wider_where_neighbours_are_alike() -> None:
    """A mean of n values, each k times in a row, varies as one of n / k values does."""
    rng, k = np.random.default_rng(5), 10
    errors = np.repeat(rng.normal(size=400), k)
    zero = np.zeros_like(errors)
    plain = paired_interval(errors, zero)
    blocks = paired_interval(errors, zero, block=4 * k)
    widths = [high - low for low, high in (plain, blocks)]
    assert widths[1] == pytest.approx(2 * 1.96 * errors.std() / np.sqrt(400), rel=0.25)
    assert widths[0] == pytest.approx(widths[1] / np.sqrt(k), rel=0.25)


def test_a_block_longer_than_the_rows_is_all_of_them() -> None:
    one, other = np.arange(5.0), np.zeros(5)
    assert paired_interval(one, other, block=50) == (2.0, 2.0)
