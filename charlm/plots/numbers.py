"""Pictures of a regression: predicted against true numbers, and what is left over."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from charlm.plots.style import drawable

Floats = npt.NDArray[np.float64]


def draw_predicted(axes: Axes, true: Floats, predicted: Floats, target: str) -> Axes:
    """Predicted against true numbers, in the target's units; on the diagonal they are the same.

    Args:
        true, predicted: (rows,).
    """
    both = np.concatenate([true, predicted])
    low, high = float(both.min()), float(both.max())
    axes.plot([low, high], [low, high], "--", color=axes.xaxis.label.get_color(), linewidth=1)
    axes.scatter(true, predicted, s=14, alpha=opacity(len(true)), zorder=3)
    axes.set_xlabel(f"true {drawable(target)}")
    axes.set_ylabel(f"predicted {drawable(target)}")
    return axes


def draw_residuals(axes: Axes, true: Floats, predicted: Floats, target: str) -> Axes:
    """True less predicted numbers against the predicted ones; above zero the model said too little.

    Args:
        true, predicted: (rows,).
    """
    axes.axhline(0.0, linestyle="--", color=axes.xaxis.label.get_color(), linewidth=1)
    axes.scatter(predicted, true - predicted, s=14, alpha=opacity(len(true)), zorder=3)
    axes.set_xlabel(f"predicted {drawable(target)}")
    axes.set_ylabel("true − predicted")
    return axes


def opacity(points: int) -> float:
    """Of each of so many points, such that crowds of them can be told from single ones."""
    return float(np.clip(40 / np.sqrt(max(points, 1)) / 2, 0.1, 0.8))
