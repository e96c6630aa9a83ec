"""Sums of a series do not depend on the pieces that it comes in, and are exact enough."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.scoring import totals
from charlm.scoring.totals import Totals, total


@settings(deadline=None)
@given(
    st.integers(0, 300),
    st.lists(st.integers(0, 300), max_size=8),
    st.sampled_from([1, 2, 8, 64]),
    st.sampled_from([1, 3, 8, 50]),
)
def test_pieces_do_not_matter(n: int, cuts: list[int], together: int, longest: int) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "TOGETHER", together)
        patch.setattr(totals, "LONGEST", longest)
        whole = Totals.of([values])
        bounds = sorted({0, n, *(cut for cut in cuts if cut < n)})
        parts = Totals.of(values[a:b] for a, b in pairwise(bounds))
        assert (whole.count, whole.total, whole.each) == (parts.count, parts.total, parts.each)
        assert np.array_equal(whole.series, parts.series)
        # What is added last still waits: one batch, of which the means come on top.
        assert len(whole.series) <= 2 * max(longest, together)
        assert whole.count == n
    # Each of at most n additions rounds once.
    assert abs(whole.total - math.fsum(values)) <= n * np.spacing(math.fsum(values))
    length = len(values) // whole.each * whole.each
    stretches = values[:length].reshape(-1, whole.each).mean(1)
    together_length = min(len(whole.series), len(stretches))
    assert np.allclose(whole.series[:together_length], stretches[:together_length], rtol=1e-12)


def test_a_short_series_is_as_it_is() -> None:
    values = np.random.default_rng(0).exponential(size=1000)
    assert Totals.of([values[:300], values[300:]]).series.tolist() == values.tolist()
    assert total(values) == float(values.sum())
    assert total(np.empty(0)) == 0.0
