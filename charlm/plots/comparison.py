"""Scores of several runs with their intervals, as dots and bars."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from charlm.plots.style import COLOURS, drawable
from charlm.scoring.comparison import ComparedRun, Comparison
from charlm.scoring.intervals import LEVEL, Estimate

# Inches: above and below the rows, and of a row.
MARGIN, ROW = 1.2, 0.45
# Characters of a line of a label.
LONGEST = 32


def height_of(comparison: Comparison) -> float:
    """Inches that a picture of so many runs takes."""
    return MARGIN + ROW * max(3, len(comparison.runs))


def draw(figure: Figure, comparison: Comparison) -> None:
    """Draw the scores, and beside them the differences to the best run if there are any."""
    paired = any(each.estimate is not None for each in comparison.differences)
    axes = figure.subplots(1, 2 if paired else 1, squeeze=False)[0]
    draw_scores(axes[0], comparison)
    if paired:
        draw_differences(axes[1], comparison)
        axes[1].tick_params(labelleft=False)


def draw_scores(axes: Axes, comparison: Comparison) -> Axes:
    """A dot for each run at its score, with its interval, the best at the top."""
    runs = comparison.runs
    draw_estimates(axes, [run.estimate for run in runs], COLOURS[0])
    labels = [label_of(run) for run in runs]
    axes.set_yticks(range(len(runs)), labels)
    better = "higher" if runs[0].figure.more_is_better else "lower"
    unit = comparison.unit
    axes.set_xlabel(f"{cut(unit)} ({better} is better)" if unit else "score")
    split = runs[0].columns.get("split") or "held out"
    axes.set_title(f"{LEVEL:.0%} intervals: {cut(runs[0].columns['corpus'])} ({split})")
    return axes


def draw_differences(axes: Axes, comparison: Comparison) -> Axes:
    """A dot for each run at its difference to the best one, paired item by item."""
    best = comparison.runs[0]
    found = {each.run: each.estimate for each in comparison.differences}
    draw_estimates(axes, [found.get(run.name) for run in comparison.runs], COLOURS[1])
    axes.axvline(0, color=axes.xaxis.label.get_color(), linewidth=1)
    axes.set_yticks(range(len(comparison.runs)), [drawable(run.name) for run in comparison.runs])
    axes.set_xlabel(f"{best.figure.title} more than the first run")
    axes.set_title(f"differences on the same {best.item}s")
    return axes


def draw_estimates(axes: Axes, estimates: Sequence[Estimate | None], colour: str) -> None:
    """Dots with bars in rows from the top."""
    for row, each in enumerate(estimates):
        if each is None:
            continue
        if each.interval is not None:
            ends = [each.interval.low, each.interval.high]
            axes.plot(ends, [row, row], "|-", color=colour, markersize=9, markeredgewidth=1.5)
        axes.plot([each.value], [row], "o", color=colour, markersize=5)
    axes.set_ylim(len(estimates) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)


def label_of(run: ComparedRun) -> str:
    """The run's name, and below it as many of the settings in which it differs as have room."""
    words, room = list[str](), LONGEST
    for name, value in run.differs.items():
        words.append(drawable(f"{name}={value}"))
        room -= len(words[-1]) + 2
        if room < 0:
            words.pop()
            break
    return f"{cut(run.name)}\n{', '.join(words)}".strip()


def cut(text: str) -> str:
    """A text in the font's characters, its middle left out if it is too long for a line."""
    shown, half = drawable(text), LONGEST // 2
    return shown if len(shown) <= LONGEST else f"{shown[: half - 1]}…{shown[-half:]}"
