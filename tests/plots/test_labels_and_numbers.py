"""What pictures of labels and numbers hold is what they were given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from charlm.plots.labels import draw_confusion, draw_reliability
from charlm.plots.numbers import draw_predicted, draw_residuals


def axes():
    return Figure().subplots()


@pytest.mark.parametrize("labels", [2, 12, 20])
def test_confusion_shows_shares_and_counts(labels: int) -> None:
    counts = np.random.default_rng(1).integers(0, 9, (labels, labels))
    counts[0] = 0  # a label that no text has
    drawn = draw_confusion(
        axes(), counts, [f"label $ {i} \N{CJK UNIFIED IDEOGRAPH-4E2D}" for i in range(labels)]
    )
    shares = drawn.images[0].get_array()
    for row in range(labels):
        total = max(counts[row].sum(), 1)
        assert shares[row].tolist() == pytest.approx((counts[row] / total).tolist())
    shown = [text.get_text() for text in drawn.texts]
    assert shown == ([str(each) for each in counts.flatten()] if labels <= 12 else [])
    assert all("U+4E2D" in label.get_text() for label in drawn.get_xticklabels())


def test_reliability_leaves_out_what_has_no_texts() -> None:
    texts = np.array([0, 3, 1])
    drawn = draw_reliability(
        axes(), texts, np.array([np.nan, 0.4, 0.9]), np.array([np.nan, 0.5, 1.0])
    )
    points = drawn.collections[0]
    assert points.get_offsets().tolist() == [[0.4, 0.5], [0.9, 1.0]]
    small, large = sorted(points.get_sizes())
    assert (large - 20) / (small - 20) == pytest.approx(3)


def test_numbers_are_drawn_as_they_are() -> None:
    true, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 1.5, 5.0])
    drawn = draw_predicted(axes(), true, predicted, "price")
    assert drawn.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 1.5], [4.0, 5.0]]
    assert drawn.get_xlabel() == "true price"
    left = draw_residuals(axes(), true, predicted, "price").collections[0].get_offsets()
    assert left.tolist() == [[1.5, -0.5], [1.5, 0.5], [5.0, -1.0]]
