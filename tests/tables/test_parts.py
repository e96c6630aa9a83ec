"""Which rows are held out."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charlm.tables.parts import TEST, TRAIN, VAL, draw_folds, draw_parts

LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=80)


@given(LABELS, st.sampled_from([0.0, 0.1, 0.25]), st.sampled_from([0.0, 0.2]), st.integers(0, 9))
def test_each_label_has_its_share_of_every_part(
    labels: list[str], val: float, test: float, seed: int
) -> None:
    parts = draw_parts(labels, val, test, seed)
    assert np.array_equal(parts, draw_parts(labels, val, test, seed))
    whole = Counter(parts.tolist())
    counts = Counter(labels)
    for part, share in ((VAL, val), (TEST, test)):
        assert (whole[part] > 0) == (share > 0) or whole[TRAIN] <= 1
        for label, number in counts.items():
            mine = int((parts[np.array(labels) == label] == part).sum())
            # A whole number beside the share, or the one row of a part that would have none.
            assert abs(mine - share * number) < 1 or whole[part] == 1
    for label in counts:
        assert (parts[np.array(labels) == label] == TRAIN).any() or len(labels) < 8
    assert whole[TRAIN] >= 1


@given(st.lists(st.sampled_from("pqrstu"), min_size=1, max_size=60), st.integers(0, 9))
def test_a_group_is_in_one_part(groups: list[str], seed: int) -> None:
    parts = draw_parts(["x"] * len(groups), 0.2, 0.2, seed, groups)
    for group in set(groups):
        assert len({p for p, g in zip(parts.tolist(), groups, strict=True) if g == group}) == 1


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    assert not draw_parts(["a", "b"] * 5, 0.0, 0.0, 0).any()


def test_many_small_labels_have_their_share_together() -> None:
    labels = [str(number) for number in range(1000)] * 3
    parts = draw_parts(labels, 0.1, 0.05, 0)
    assert Counter(parts.tolist()) == {TRAIN: 2550, VAL: 300, TEST: 150}
    assert len({label for label, part in zip(labels, parts, strict=True) if part == TRAIN}) == 1000


@given(st.integers(2, 60), st.integers(2, 12))
def test_folds_are_a_permutation_cut_in_pieces(rows: int, k: int) -> None:
    drawn = draw_folds([""] * rows, k, 0)
    pieces = np.array_split(np.random.default_rng(0).permutation(rows), k)
    for fold, piece in enumerate(pieces):
        assert np.array_equal(np.flatnonzero(drawn == fold), np.sort(piece))


@given(LABELS, st.integers(2, 8), st.integers(0, 9))
def test_each_label_is_spread_over_the_folds(labels: list[str], k: int, seed: int) -> None:
    drawn = draw_folds(labels, k, seed)
    sizes = np.bincount(drawn, minlength=k)
    assert len(sizes) == k
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels):
        mine = np.bincount(drawn[np.array(labels) == label], minlength=k)
        assert mine.max() - mine.min() <= 1


@given(LABELS, st.integers(2, 8), st.integers(0, 9))
def test_a_group_is_in_one_fold(groups: list[str], k: int, seed: int) -> None:
    drawn = draw_folds([""] * len(groups), k, seed, groups)
    for group in set(groups):
        assert len(set(drawn[np.array(groups) == group].tolist())) == 1
    assert len(set(drawn.tolist())) == min(k, len(set(groups)))
