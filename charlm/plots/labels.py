"""Pictures of a classifier: which labels it confuses, and how far its probabilities go."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from charlm.palettes import ink
from charlm.plots.style import drawable

# Numbers stand in the cells of a matrix of at most so many labels.
MOST_NUMBERS = 12
LONGEST_LABEL = 18


def draw_confusion(axes: Axes, counts: npt.NDArray[np.int64], labels: Sequence[str]) -> Axes:
    """A matrix: each row is a true label, its colours the shares of the labels it was given.

    Args:
        counts: texts of each true label (rows) that were given each label (columns), (C, C).
        labels: (C,).
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0)
    axes.grid(False)
    names = [short(each) for each in labels]
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("given label")
    axes.set_ylabel("true label")
    if len(names) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            background = image.to_rgba(shares[row, column], bytes=True)[:3]
            colour = ink("#{:02x}{:02x}{:02x}".format(*background))
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    assert axes.figure is not None
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046)
    bar.set_label("share of the true label's texts")
    bar.outline.set_visible(False)
    return axes


def draw_reliability(
    axes: Axes,
    texts: npt.NDArray[np.int64],
    probability: npt.NDArray[np.float64],
    accuracy: npt.NDArray[np.float64],
) -> Axes:
    """How often the likeliest label is right against the probability it was given.

    The area of a point is the share of the texts. On the diagonal a probability is what it says.

    Args:
        texts, probability, accuracy: of each interval of probability, (intervals,).
    """
    there = texts > 0
    axes.plot([0, 1], [0, 1], "--", color=axes.xaxis.label.get_color(), linewidth=1)
    area = 20 + 400 * texts[there] / texts.sum()
    axes.scatter(probability[there], accuracy[there], s=area, alpha=0.7, zorder=3)
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    axes.set_aspect("equal")
    axes.set_xlabel("mean probability of the likeliest label")
    axes.set_ylabel("share of texts where it is right")
    return axes


def short(label: Any) -> str:
    """A label that fits beside a picture."""
    text = drawable(str(label))
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
