"""A text as a picture, each character on the colour of its value."""

from collections.abc import Iterator, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from charlm.palettes import Scale, ink
from charlm.plots.style import drawable

# Height of a line, in widths of a character.
LINE = 2.0


def draw_coloured_text(
    axes: Axes, text: str, values: Sequence[float | None], scale: Scale, columns: int = 72
) -> Axes:
    """The text in lines of so many characters, and the scale below it.

    Args:
        values: of each character; one without a value has no colour.
    """
    rows = list(lines(text, columns))
    for row, (start, line) in enumerate(rows):
        for column, character in enumerate(line):
            value = values[start + column]
            colour = None if value is None else scale.colours[scale.step(value)]
            draw_cell(axes, column, row * LINE, character, colour)
    bottom = (len(rows) + 0.6) * LINE
    axes.text(0, bottom + LINE / 2, scale.name, va="center")
    for step, (label, colour) in enumerate(zip(scale.labels, scale.colours, strict=True)):
        left = 12 + 4 * step
        axes.add_patch(Rectangle((left, bottom), 4, LINE, color=colour, linewidth=0))
        middle = left + 2, bottom + LINE / 2
        axes.text(*middle, label, ha="center", va="center", color=ink(colour), size="small")
    axes.set_xlim(-0.5, columns + 0.5)
    axes.set_ylim(bottom + LINE, -0.5)
    axes.set_axis_off()
    return axes


def draw_cell(axes: Axes, left: float, top: float, character: str, colour: str | None) -> None:
    """Draw one character on its ground, if it has one."""
    foreground = mpl.rcParams["text.color"] if colour is None else ink(colour)
    if colour is not None:
        axes.add_patch(Rectangle((left, top), 1, LINE, facecolor=colour, linewidth=0))
    shown = {"\n": "↵", "\t": "→"}.get(character) or drawable(character)
    axes.text(
        left + 0.5,
        top + LINE / 2,
        shown if len(shown) == 1 else "\N{WHITE SQUARE}",
        ha="center",
        va="center",
        color=foreground,
        family="DejaVu Sans Mono",
    )


def lines(text: str, columns: int) -> Iterator[tuple[int, str]]:
    """Where each line begins, and its characters; a line end closes one."""
    start = 0
    for line in text.splitlines(keepends=True):
        for at in range(0, len(line), columns):
            yield start + at, line[at : at + columns]
        start += len(line)
