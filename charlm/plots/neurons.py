"""Gate saturation, as in Karpathy, Johnson & Fei-Fei (2015)."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from charlm.inspection.saturation import LEFT, RIGHT, GateSaturation, Saturation
from charlm.plots.style import COLOURS, Draw, drawable

# Inches of one scatter.
WIDTH, HEIGHT = 3.0, 3.1


def draw_gate(axes: Axes, gate: GateSaturation) -> Axes:
    """One scatter: a point for each unit, how often its gate is open against how often closed."""
    left, right = gate.shares.T
    axes.plot([0, 1], [1, 0], color="0.5", linewidth=0.8, linestyle=":")
    axes.scatter(
        left, right, s=12, color=COLOURS[gate.layer % len(COLOURS)], alpha=0.7, linewidth=0
    )
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xlabel(f"share of time {gate.gate} < {LEFT}:\nit {gate.meaning.near_0}", fontsize=8.5)
    axes.set_ylabel(f"share of time {gate.gate} > {RIGHT}:\nit {gate.meaning.near_1}", fontsize=8.5)
    axes.set_title(f"layer {gate.layer}, gate {gate.gate}")
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    return axes


def size_of(saturation: Saturation) -> tuple[float, float]:
    """Inches of the whole picture, width and height."""
    rows, columns = grid_of(saturation)
    return max(columns * WIDTH, 4.5), rows * HEIGHT + 0.9


def grid_of(saturation: Saturation) -> tuple[int, int]:
    """Rows, one for each layer, and columns, one for each gate."""
    layers = len({each.layer for each in saturation.gates})
    return layers, math.ceil(len(saturation.gates) / max(layers, 1))


def draw_saturation(saturation: Saturation, run: str) -> Draw:
    """What draws a scatter for each gate and layer, with a caption, on an empty figure.

    Args:
        saturation: of a cell that has gates.
        run: the run's name, for the title.
    """

    def draw(figure: Figure) -> None:
        every = figure.subplots(*grid_of(saturation), squeeze=False).ravel()
        for axes, gate in zip(every, saturation.gates, strict=True):
            draw_gate(axes, gate)
        figure.suptitle(f"Gate saturation: {drawable(run)}, {saturation.cell}", fontsize="large")
        units = len(saturation.gates[0].shares)
        figure.supxlabel(
            f"A point is one of {units} units. A gate is left-saturated below {LEFT} and\n"
            f"right-saturated above {RIGHT}; no point can lie above the dotted line.\n"
            f"{saturation.characters:,} characters of {drawable(saturation.corpus)} "
            f"({saturation.split}).",
            fontsize=8.5,
        )

    return draw
