"""Pictures of how far back models remember: loss by context, and sensitivity by lag."""

import math
from collections.abc import Iterable, Mapping, Sized
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter

from charlm.errors import UsageError
from charlm.plots.style import COLOURS, drawable

if TYPE_CHECKING:
    from charlm.inspection.context import ContextLoss
    from charlm.inspection.memory import Memory
    from charlm.inspection.sensitivity import LagSensitivity

# Width and height of the pictures, in inches.
CONTEXT_INCHES, SENSITIVITY_INCHES, BOTH_INCHES = (7.0, 4.0), (7.0, 4.0), (7.0, 8.0)
MARKERS = "os^Dvp"
BAND_ALPHA = 0.2
RING: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "none", "mew": 1.5}
RING_SIZES = (10, 14, 18, 22, 26, 30)
LONGEST_NAME = 30
# Where the axis of relative gradients ends at the latest: what is below does not show.
LEAST_RELATIVE = 1e-10


def draw_context_loss(axes: Axes, losses: "Mapping[str, ContextLoss]") -> Axes:
    """Draw by how much the loss after each context exceeds that after the longest one.

    A ring marks the effective context, a dotted line the training window.

    Args:
        losses: by the name of the run, at most as many as there are colours.

    Raises:
        UsageError: there are more.
    """
    check_number(losses)
    styles = zip(COLOURS, MARKERS, RING_SIZES, strict=True)
    for (name, each), (colour, marker, size) in zip(losses.items(), styles, strict=False):
        axes.fill_between(each.lengths, *each.band, color=colour, alpha=BAND_ALPHA, linewidth=0)
        label = f"{short(name)}: {each.effective:,}"
        axes.plot(each.lengths, each.increase, color=colour, marker=marker, ms=4, label=label)
        at = each.lengths.tolist().index(each.effective)
        # Of several runs in the same place each shows, since they differ in size.
        axes.plot(each.effective, each.increase[at], mec=colour, ms=size, **RING)
    ink, meaning = mpl.rcParams["text.color"], "effective context: within 1 % of the longest"
    axes.plot([], [], mec=ink, ms=RING_SIZES[0], label=meaning, **RING)
    for window in sorted({each.window for each in losses.values() if each.window}):
        label = f"training window {window:,}"
        axes.axvline(window, color=ink, linestyle=":", linewidth=1.2, label=label)
    ticks = sorted({n for each in losses.values() for n in each.lengths.tolist()})
    axes.set_xscale("log", base=2)
    axes.margins(y=0.08)
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.set_xlabel("context: characters read before the target, from a zero state")
    axes.set_ylabel("increase over the longest context\n(bits per character)")
    targets = numbers_of(len(each.positions) for each in losses.values())
    axes.set_title(f"Loss by context, {targets} targets{whose(losses)}")
    axes.legend(framealpha=1.0)
    return axes


def draw_sensitivity(
    axes: Axes, sensitivities: "Mapping[str, LagSensitivity]", initialized: bool = False
) -> Axes:
    """Draw how much predictions change with the characters before them: medians and quartiles.

    It may be called twice for the same axes, for nets before and after training.

    Args:
        sensitivities: by the name of the run, at most as many as there are colours.
        initialized: whether they are of nets before training, whose lines are dashed.

    Raises:
        UsageError: there are more.
    """
    check_number(sensitivities)
    state, again = "initialized" if initialized else "trained", bool(axes.lines)
    bottom, top = axes.get_ylim() if again else (1.0, 3.0)
    for (name, each), colour in zip(sensitivities.items(), COLOURS, strict=False):
        # A logarithm has no zero: there the line leaves the picture.
        low, middle, high = np.maximum(np.nan_to_num(each.quartiles), LEAST_RELATIVE / 1e3)
        lags = np.arange(len(middle))
        axes.fill_between(lags, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)
        label = f"{short(name)}, {state}" if len(sensitivities) > 1 else state
        axes.plot(lags, middle, "--" if initialized else "-", color=colour, label=label)
        bottom, top = min(bottom, middle.min() / 3), max(top, 2 * high.max())
    axes.set_yscale("log")
    axes.set_ylim(max(bottom, LEAST_RELATIVE), top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axes.set_xlabel("lag: characters before the last one read")
    axes.set_ylabel("gradient of the target's logit,\nrelative to lag 0")
    targets = numbers_of(len(each.relative) for each in sensitivities.values())
    axes.set_title(f"Sensitivity by lag, {targets} targets{whose(sensitivities)}")
    axes.legend()
    return axes


def draw_context_losses(figure: FigureBase, memories: "Mapping[str, Memory]") -> None:
    """Draw the loss by context of several runs, by their names, on an empty figure."""
    draw_context_loss(figure.subplots(), {name: each.context for name, each in memories.items()})


def draw_sensitivities(figure: FigureBase, memories: "Mapping[str, Memory]") -> None:
    """Draw the sensitivity by lag of several runs, by their names, on an empty figure.

    One run's nets before and after training share axes; those of several have axes side by side.
    """
    before, after = (
        {name: getattr(each, state) for name, each in memories.items()}
        for state in ("initialized", "trained")
    )
    if len(memories) == 1:
        axes = draw_sensitivity(figure.subplots(), before, initialized=True)
        draw_sensitivity(axes, after)
        return
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    draw_sensitivity(left, before, initialized=True)
    # The axes are shared, so that those on the right keep room for what those on the left show.
    draw_sensitivity(right, after)
    right.set_ylabel("")
    for axes, title in ((left, "Before training"), (right, "Trained")):
        axes.set_title(title)
        axes.legend().remove()
    # Below, where it covers no line.
    names = [short(name) for name in memories]
    columns = min(len(names), 3 if max(map(len, names)) < 20 else 2)
    figure.legend(right.lines, names, loc="outside lower center", ncols=columns)
    targets = numbers_of(len(each.relative) for both in (before, after) for each in both.values())
    figure.suptitle(f"Sensitivity by lag, {targets} targets", x=0.02, ha="left", size="medium")


def draw_memory(figure: FigureBase, memories: "Mapping[str, Memory]") -> None:
    """Draw both pictures on an empty figure, one above the other.

    Args:
        memories: by the name of the run.

    Raises:
        UsageError: there are more runs than colours.
    """
    rows = figure.add_gridspec(2, 1)
    draw_context_losses(figure.add_subfigure(rows[0]), memories)
    draw_sensitivities(figure.add_subfigure(rows[1]), memories)


def check_number(runs: Sized) -> None:
    """Raise UsageError if there are more runs than colours that can be told apart."""
    if len(runs) > len(COLOURS):
        raise UsageError(
            f"A picture of {len(runs)} runs cannot be read: there are {len(COLOURS)} colours.",
            "Name fewer runs.",
        )


def numbers_of(counts: Iterable[int]) -> str:
    """Such as "500", or "300 to 500" where they differ."""
    different = sorted(set(counts))
    return " to ".join(f"{each:,}" for each in dict.fromkeys((different[0], different[-1])))


def power_of_ten(value: float) -> str:
    """Such as 10⁻⁴, without the mathematics that is switched off for names with dollar signs."""
    exponent = str(round(math.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{exponent}"


def whose(runs: Iterable[str]) -> str:
    """What a title says of a single run; several have their names in the legend."""
    first, *others = runs
    return "" if others else f": {short(first)}"


def short(name: str) -> str:
    """The name of a run as a picture has room for it, without the middle of a long one."""
    shown = drawable(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:14]}…{shown[-15:]}"
