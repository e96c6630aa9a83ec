"""The block length of Politis and White, and the circular block bootstrap, against plain loops."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from series import autoregressive

from charlm.scoring import block_bootstrap
from charlm.scoring.block_bootstrap import (
    autocovariances,
    block_length,
    circular_sums,
    resampled_groups,
    resampled_means,
)

Floats = npt.NDArray[np.float64]


def plain_block_length(x: Floats) -> float:
    """Politis & White 2004, section 3.2, with the constants of 2009, step by step."""
    n = len(x)
    centred = x - x.mean()
    most = min(math.ceil(math.sqrt(n)) + 5, n - 1)
    R = [sum(centred[t] * centred[t + k] for t in range(n - k)) / n for k in range(most + 1)]
    small = 2 * math.sqrt(math.log10(n) / n)
    m = None
    for lag in range(most - 5 + 1):
        if all(abs(R[lag + j] / R[0]) < small for j in range(1, 6)):
            m = lag
            break
    if m is None:
        m = max(k for k in range(1, most + 1) if abs(R[k] / R[0]) >= small)
    M = min(2 * max(m, 1), most)
    g, G = 0.0, 0.0
    for k in range(-M, M + 1):
        share = abs(k) / M
        weight = 1.0 if share <= 0.5 else 2 * (1 - share)
        g += weight * R[abs(k)]
        G += weight * abs(k) * R[abs(k)]
    D = 4 / 3 * g**2
    b = (2 * G**2 / D) ** (1 / 3) * n ** (1 / 3)
    return min(max(b, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3)))


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("n", [40, 400])
def test_the_block_length_is_that_of_a_plain_loop(n: int, phi: float) -> None:
    for x in autoregressive(5, n, phi):
        assert block_length(x + 7) == pytest.approx(plain_block_length(x), rel=1e-9)


def test_autocovariances_are_those_of_a_plain_loop() -> None:
    (x,) = autoregressive(1, 57, 0.4)
    c = x - x.mean()
    plain = [(c[: 57 - k] * c[k:]).sum() / 57 for k in range(57)]
    np.testing.assert_allclose(autocovariances(x, 56), plain, atol=1e-12)


@pytest.mark.parametrize("phi", [0.2, 0.5, 0.8])
def test_of_known_autocovariances_it_is_the_known_length(
    phi: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an AR(1), R(k) = φ^k: g(0) = (1 + φ) / (1 - φ) and G = 2 φ / (1 - φ)²."""
    n = 1_000_000
    monkeypatch.setattr(
        block_bootstrap, "autocovariances", lambda x, lags: phi ** np.arange(lags + 1)
    )
    g, G = (1 + phi) / (1 - phi), 2 * phi / (1 - phi) ** 2
    best = (2 * G**2 / (4 / 3 * g**2) * n) ** (1 / 3)
    # The window lets go of no lag up to m, the last whose correlation is not small, and at most of
    # all of the others.
    m = math.floor(math.log(2 * math.sqrt(math.log10(n) / n)) / math.log(phi))
    lost = 2 * sum(k * phi**k for k in range(m + 1, 1000)) / G
    # Of g is lost less than that share of G: the ratio may be off by both, the length by 2/3 of it.
    assert block_length(np.zeros(n) + np.arange(n)) == pytest.approx(best, rel=2 * lost)
    assert lost < 0.1


def test_a_series_of_one_value_and_one_of_noise_have_short_blocks() -> None:
    assert block_length(np.full(500, 0.1)) == 1
    lengths = [block_length(x) for x in autoregressive(100, 10_000, 0.0)]
    assert np.median(lengths) < 5


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 3))
def test_sums_go_around_the_ring(n: int, block: int, M: int) -> None:
    block = min(block, n)
    columns = np.random.default_rng(n).normal(size=(n, M))
    plain = [
        [sum(columns[(i + j) % n, m] for j in range(block)) for i in range(n)] for m in range(M)
    ]
    np.testing.assert_allclose(circular_sums(columns, block), plain, atol=1e-12)


@pytest.mark.parametrize(("n", "block"), [(200, 1), (200, 7), (210, 30), (100, 100), (50, 80)])
def test_resamples_vary_as_they_must(n: int, block: int) -> None:
    """Their mean and variance follow from the blocks' sums alone."""
    x = autoregressive(1, n, 0.6)[0]
    resamples = 20_000
    means = resampled_means(x[:, None], block, resamples, seed=3)[:, 0]
    block = min(block, n)
    whole, rest = divmod(n, block)
    sums = circular_sums(x[:, None], block)[0]
    last = circular_sums(x[:, None], rest)[0] if rest else np.zeros(1)
    variance = (whole * sums.var() + last.var()) / n**2
    # Four standard errors of a mean and of a variance; kurtosis is at most that of one block.
    assert means.mean() == pytest.approx(x.mean(), abs=4 * math.sqrt(variance / resamples) + 1e-12)
    kurtosis = ((means - means.mean()) ** 4).mean() / max(means.var() ** 2, 1e-300)
    error = 4 * math.sqrt(max(kurtosis - 1, 0) / resamples)
    assert means.var() == pytest.approx(variance, rel=error, abs=1e-24)


def test_what_stands_side_by_side_is_drawn_together() -> None:
    x = autoregressive(1, 300, 0.5)[0]
    means = resampled_means(np.stack([x, 2 * x + 1], 1), 10)
    np.testing.assert_allclose(means[:, 1], 2 * means[:, 0] + 1, atol=1e-12)


def test_groups_are_drawn_whole() -> None:
    """Of two groups, a resample has one of them twice, or both."""
    x = np.array([1.0, 1.0, 1.0, 5.0])
    means = resampled_groups(x[:, None], np.array([9, 9, 9, 4]), 1000)[:, 0]
    np.testing.assert_allclose(np.unique(means.round(9)), [1.0, 2.0, 5.0])
    assert 0.4 < (means.round(9) == 2).mean() < 0.6


def test_many_values_are_grouped_and_vary_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted values that are independent are not taken to be alike."""
    x = np.sort(np.random.default_rng(0).normal(size=6000))[:, None]
    exact = x.std() / math.sqrt(len(x))
    monkeypatch.setattr(block_bootstrap, "MOST_BLOCKS", 1000)
    spread = resampled_means(x, 1).std()
    # Of 1,000 groups and 4,000 resamples: four standard errors of a standard deviation each.
    assert spread == pytest.approx(exact, rel=4 / math.sqrt(2 * 1000) + 4 / math.sqrt(2 * 4000))


def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    x = autoregressive(1, 300, 0.5)[0][:, None]
    one, same, other = (resampled_means(x, 4, 100, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are drawn, so many numbers of blocks are drawn at a time."""
    sizes = []
    take = np.take

    def watched(array: Floats, at: npt.NDArray[np.int64]) -> Floats:
        sizes.append(at.size)
        return take(array, at)

    monkeypatch.setattr(np, "take", watched)
    resampled_means(np.arange(100_000.0)[:, None], 25)
    assert max(sizes) <= block_bootstrap.DRAWN_TOGETHER
    assert sum(sizes) == 4000 * 4000
