"""Pictures of how training went: losses, and below them learning rate and gradient norm."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullLocator

from charlm.inspection.curves import RunCurves, Series, TrainingCurves, is_wide
from charlm.plots.style import COLOURS, INCHES, drawable

# One more than there are colours, so that 42 runs differ in one or the other.
MARKERS = "os^DvPX"
# A line of more points has markers only where the line does not reach.
MOST_MARKERS = 50
MOST_CHARACTERS = 76  # of a line of the legend
PANELS_INCHES, LEGEND_INCHES = 1.4, 0.2  # of both panels, and of a line of the legend
Place = Literal["outside upper left", "outside lower left"]
# How a curve is drawn. Training is the fainter line beneath where it is smoothed, and where dashes
# would be lost among many points.
STYLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "training": {"linewidth": 1.0, "linestyle": "--", "markersize": 2.5, "zorder": 2},
        "beneath": {"linewidth": 0.8, "markersize": 2.5, "zorder": 2, "alpha": 0.45},
        "smoothed": {"linewidth": 1.4, "linestyle": "--", "marker": "", "zorder": 3},
        "held out": {"linewidth": 1.6, "markersize": 5.0, "zorder": 4},
        "panel": {"linewidth": 1.0, "markersize": 2.5},
    }
)


def draw_training(figure: Figure, curves: TrainingCurves) -> None:
    """Draw a whole picture on an empty figure: losses, the two panels beneath, a legend."""
    top, rate, norm = figure.subplots(3, 1, sharex=True, height_ratios=[4, 1, 1])
    top.set_title(drawable(shortened(curves.title)))
    draw_loss(top, curves)
    draw_panel(rate, [run.learning_rate for run in curves.runs], "learning\nrate")
    draw_panel(norm, [run.gradient_norm for run in curves.runs], "gradient\nnorm")
    label_x(norm, curves)
    figure.align_ylabels()
    draw_legends(figure, curves)


def inches_for(curves: TrainingCurves) -> tuple[float, float]:
    """Width and height of a picture in which a long legend takes no room from the curves."""
    width, height = INCHES
    lines = 1 if len(curves.runs) == 1 else 2 + len(curves.runs)
    return width, height + PANELS_INCHES + LEGEND_INCHES * lines


def draw_loss(axes: Axes, curves: TrainingCurves) -> Axes:
    """Training losses, dashed, and held-out losses, solid with markers.

    Each run has one colour; of a single run training has another one than what was held out.
    """
    alone = len(curves.runs) == 1
    for number, run in enumerate(curves.runs):
        for kind, series in kinds_of(run):
            draw_series(axes, series, colour_of(kind) if alone else number, kind)
    scale(axes, curves.losses, curves.y_label)
    return axes


def draw_panel(axes: Axes, series: Sequence[Series], label: str) -> Axes:
    """A small panel of one quantity, a line for each run, in the order of the runs."""
    for number, each in enumerate(series):
        draw_series(axes, each, number, "panel")
    scale(axes, series, label)
    return axes


def kinds_of(run: RunCurves) -> Iterator[tuple[str, Series]]:
    """The curves of a run that are not empty, and in which style each of them is drawn."""
    faint = has_many(run.training) or not run.smoothed.is_empty
    training = "beneath" if faint else "training"
    kinds = {training: run.training, "smoothed": run.smoothed, "held out": run.held_out}
    return ((kind, series) for kind, series in kinds.items() if not series.is_empty)


def colour_of(kind: str) -> int:
    """The number of the colour that a kind of curve has where there is a single run."""
    return 0 if kind == "held out" else 1


def draw_series(axes: Axes, series: Series, number: int, kind: str) -> None:
    """A line through the points that were measured, with gaps where none was.

    Args:
        number: of the colour and of the shape of the markers.
        kind: one of the styles.
    """
    marked = series.alone if has_many(series) else None
    axes.add_line(Line2D(series.x, series.y, **look(number, kind), markevery=marked))
    axes.autoscale_view()


def has_many(series: Series) -> bool:
    """Whether markers would cover the line."""
    return int(series.measured.sum()) > MOST_MARKERS


def look(number: int, kind: str) -> dict[str, Any]:
    """The look of a curve."""
    own = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    return {**own, **STYLES[kind]}


def scale(axes: Axes, series: Sequence[Series], label: str) -> None:
    """Label the y axis, which is logarithmic where the numbers are far apart."""
    axes.set_ylabel("\n".join(map(drawable, label.split("\n"))))
    if is_wide(series):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.ticklabel_format(axis="y", useOffset=False, scilimits=(-6, 6))


def label_x(axes: Axes, curves: TrainingCurves) -> None:
    """Label the x axis that all panels share. It begins where training began, at 0."""
    ends = [each.x[-1] for run in curves.runs for _, each in kinds_of(run)]
    axes.set_xlim(0.0, max(map(float, ends)) * 1.03)
    axes.set_xlabel(drawable(curves.x_label))
    millions = max(ends) >= 1e6
    thousands = FuncFormatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_major_formatter(EngFormatter() if millions else thousands)


def draw_legends(figure: Figure, curves: TrainingCurves) -> None:
    """Outside of the axes, where they cover nothing: what a line means, and which run it is of."""
    several = len(curves.runs) > 1
    titles = {"beneath": "training", "smoothed": f"training, {curves.window}"}
    # Of several runs the colours are said apart from the kinds of lines.
    ink = {"color": figure.axes[0].xaxis.label.get_color()} if several else {}
    kinds = dict.fromkeys(kind for run in curves.runs for kind, _ in kinds_of(run))
    handles = [
        Line2D(
            [],
            [],
            **{**look(0 if several else colour_of(kind), kind), **ink},
            label=titles.get(kind, kind),
        )
        for kind in kinds
    ]
    place: Place = "outside upper left" if several else "outside lower left"
    figure.legend(handles=handles, loc=place, ncols=len(handles), frameon=False)
    if several:
        runs = [
            Line2D([], [], **look(number, "held out"), label=drawable(shortened(run.label)))
            for number, run in enumerate(curves.runs)
        ]
        figure.legend(handles=runs, loc="outside lower left", frameon=False, fontsize="small")


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, of which an ellipsis replaces what is too long."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
