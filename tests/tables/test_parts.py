"""Which rows are held out."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.tables.parts import TEST, TRAIN, VAL, draw_parts, folds

LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=80)


@given(LABELS, st.sampled_from([0.0, 0.1, 0.25]), st.sampled_from([0.0, 0.2]), st.integers(0, 9))
def test_each_label_has_its_share_of_every_part(
    labels: list[str], val: float, test: float, seed: int
) -> None:
    parts = draw_parts(labels, val, test, seed)
    assert np.array_equal(parts, draw_parts(labels, val, test, seed))
    whole = Counter(parts.tolist())
    for part, share in ((VAL, val), (TEST, test)):
        assert (whole[part] > 0) == (share > 0) or whole[TRAIN] <= 1
        for label, number in Counter(labels).items():
            mine = int((parts[np.array(labels) == label] == part).sum())
            # The nearest whole number, or the one row of a part that would have none.
            assert abs(mine - share * number) <= 0.5 or whole[part] == 1
    assert whole[TRAIN] >= 1


@given(st.lists(st.sampled_from("pqrstu"), min_size=1, max_size=60), st.integers(0, 9))
def test_a_group_is_in_one_part(groups: list[str], seed: int) -> None:
    parts = draw_parts(["x"] * len(groups), 0.2, 0.2, seed, groups)
    for group in set(groups):
        assert len({p for p, g in zip(parts.tolist(), groups, strict=True) if g == group}) == 1


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    assert not draw_parts(["a", "b"] * 5, 0.0, 0.0, 0).any()


@pytest.mark.parametrize(("rows", "k"), [(10, 10), (506, 10), (7, 3)])
def test_folds_are_a_permutation_cut(rows: int, k: int) -> None:
    cut = folds(rows, k, 0)
    assert sorted(np.concatenate(cut).tolist()) == list(range(rows))
    assert max(map(len, cut)) - min(map(len, cut)) <= 1
    assert np.array_equal(np.concatenate(cut), np.random.default_rng(0).permutation(rows))
