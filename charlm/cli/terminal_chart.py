"""Training curves as characters, for a terminal of any kind or a pipe.

Plotille's canvas turns points and lines into braille dots; what is written around it is ours. A
letter stands on each point that was measured, so that runs are told apart without colour: a small
one for training, a capital for what was held out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil, floor, log10
from typing import NamedTuple
from unicodedata import normalize

from plotille import Canvas

from charlm.inspection.curves import RunCurves, Series, TrainingCurves, is_wide

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMOOTHED = "~"
# Names of ANSI colours, which a terminal shows so that they can be read on its background.
COLOURS = ("cyan", "magenta", "yellow", "green", "red", "blue")
LEAST_COLUMNS = 16
COLUMNS_OF_A_TICK, ROWS_OF_A_TICK, COLUMNS_OF_A_LETTER = 11, 3, 8
# Of a cell of the canvas: dots from left to right and from bottom to top.
DOTS_ACROSS, DOTS_UP = 2, 4
BLANK = "\N{BRAILLE PATTERN BLANK}"


class Piece(NamedTuple):
    """A part of a line, and the name of its colour or nothing."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Axis:
    """A range of numbers along one side of the chart.

    Args:
        low, high: of the range; high is the larger one.
        logarithmic: both are logarithms to base ten.
    """

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: Sequence[float], logarithmic: bool = False) -> "Axis":
        """The range of some numbers; a single one lies in its middle."""
        low, high = min(values), max(values)
        if logarithmic:
            low, high = log10(low), log10(high)
        if low == high:
            low, high = low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
        return cls(low, high, logarithmic)

    def at(self, value: float) -> float:
        """Where a number lies on the axis."""
        return log10(value) if self.logarithmic else value

    def end(self, dots: int) -> float:
        """The end of a canvas so many dots long, of which the last one is at `high`."""
        return self.low + (self.high - self.low) * dots / (dots - 1)

    def cell(self, value: float, cells: int, dots: int) -> int:
        """The cell of so many with so many dots each in which a number lies."""
        share = (self.at(value) - self.low) / (self.high - self.low)
        return round(share * (cells * dots - 1)) // dots

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Round numbers within the range, at most so many but two where they fit, and labels."""
        if self.logarithmic:
            decades = range(floor(self.low), ceil(self.high) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                found = [m * 10.0**e for e in decades for m in factors]
                found = [each for each in found if self.low <= log10(each) <= self.high]
                if len(found) <= most:
                    break
            return [(each, f"{each:g}") for each in found[:: ceil(len(found) / most) or 1]]
        rough = (self.high - self.low) / most
        power = 10.0 ** floor(log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [(n * step, said(n * step, step)) for n in range(first, last + 1)]


def said(value: float, step: float) -> str:
    """A tick as people write it, such as "1,200", "2.5M" or "0.05"."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if step >= size / 100 and abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.{max(0, -floor(log10(step) + 1e-9))}f}"


def chart(
    curves: TrainingCurves, width: int, height: int, ascii_only: bool
) -> Iterator[list[Piece]]:
    """The lines of a chart: title, what is measured, the curves with their axes, a legend.

    Args:
        width: the most columns of the curves and axes; title and legend may be longer.
        height: rows of the curves.
        ascii_only: no dots, lines or signs beyond ASCII, but those of names.
    """
    x = Axis(0.0, max(float(each.x[-1]) for each in curves.losses))
    values = [float(value) for each in curves.losses for value in each.y[each.measured]]
    y = Axis.around(values, is_wide(curves.losses))
    ticks = y.ticks(max(height // ROWS_OF_A_TICK, 1))
    marks = {y.cell(value, height, DOTS_UP): label for value, label in ticks}
    margin = max(map(len, marks.values()), default=0) + 1
    columns = max(width - margin - 1, LEAST_COLUMNS)
    rows = [[Piece(" ")] * columns for _ in range(height)]
    for number, run in enumerate(curves.runs):
        for layer in layers(run, LETTERS[number], ascii_only):
            place(rows, draw(layer, x, y, columns, height), COLOURS[number % len(COLOURS)])
    yield [Piece(curves.title)]
    yield [Piece(plain(curves.y_label, ascii_only))]
    side, tick, corner, line, below = "|++-+" if ascii_only else "│┤└─┬"
    for row, cells in enumerate(rows):
        label = marks.get(height - 1 - row, "")
        yield [Piece(label.rjust(margin - 1) + " " + (tick if label else side)), *joined(cells)]
    ticks = x.ticks(max(columns // COLUMNS_OF_A_TICK, 1))
    places = {x.cell(value, columns, DOTS_ACROSS): label for value, label in ticks}
    ruler = "".join(below if column in places else line for column in range(columns))
    yield [Piece(" " * margin + corner + ruler)]
    yield [Piece(labels(places, margin + 1, margin + 1 + columns))]
    yield [Piece(curves.x_label.rjust(margin + 1 + columns))]
    yield from legend(curves)


class Layer(NamedTuple):
    """A curve to draw.

    Args:
        mark: the letter on its points.
        line: whether a line joins them. On one of many points only some bear the letter.
    """

    series: Series
    mark: str
    line: bool


def layers(run: RunCurves, letter: str, ascii_only: bool) -> Iterator[Layer]:
    """The curves of a run, the uppermost last."""
    yield Layer(run.training, letter, not ascii_only)
    yield Layer(run.smoothed, SMOOTHED, False)
    yield Layer(run.held_out, letter.upper(), not ascii_only)


def draw(layer: Layer, x: Axis, y: Axis, columns: int, height: int) -> list[str]:
    """The rows of a canvas with one curve, the uppermost first."""
    ends = x.end(columns * DOTS_ACROSS), y.end(height * DOTS_UP)
    canvas = Canvas(columns, height, x.low, y.low, *ends)
    series, known = layer.series, layer.series.measured
    points = [
        (float(a), y.at(float(b))) if is_known else None
        for a, b, is_known in zip(series.x, series.y, known, strict=True)
    ]
    every = len(points) * COLUMNS_OF_A_LETTER // columns if layer.line else 0
    marked = {*range(0, len(points), max(every, 1)), *series.alone, len(points) - 1}
    for before, point in pairwise(points):
        if layer.line and before and point:
            canvas.line(*before, *point)
    for number, point in enumerate(points):
        if point and number in marked:
            canvas.point(*point, marker=layer.mark)
    return list(canvas.plot(linesep="\n").split("\n"))


def place(rows: list[list[Piece]], drawn: Sequence[str], colour: str) -> None:
    """Lay a drawn curve over the rows: letters over lines, and dots beside dots."""
    for row, line in zip(rows, drawn, strict=True):
        for column, character in enumerate(line):
            below = row[column].text
            if character.isascii() or below == " ":
                row[column] = Piece(" " if character == BLANK else character, colour)
            elif character != BLANK and not below.isascii():
                row[column] = Piece(chr(ord(below) | ord(character)), colour)


def joined(cells: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of one colour as one piece."""
    for colour, pieces in groupby(cells, key=lambda each: each.colour):
        yield Piece("".join(each.text for each in pieces), colour)


def labels(places: dict[int, str], start: int, end: int) -> str:
    """A line with labels below their columns; one for which there is no room is left out."""
    line = ""
    for column, label in places.items():
        at = min(max(start + column - len(label) // 2, 0), end - len(label))
        if not line or at > len(line):
            line = line.ljust(at) + label
    return line


def legend(curves: TrainingCurves) -> Iterator[list[Piece]]:
    """A line for each run: its letters, what they stand for, and its name if there are several."""
    for number, run in enumerate(curves.runs):
        letter = LETTERS[number]
        kinds = {
            f"{letter} training": run.training,
            f"{SMOOTHED} {curves.window}": run.smoothed,
            f"{letter.upper()} held out": run.held_out,
        }
        words = [kind for kind, series in kinds.items() if not series.is_empty]
        words += [run.label] if len(curves.runs) > 1 else []
        yield [Piece("   ".join(words), COLOURS[number % len(COLOURS)])]


def plain(label: str, ascii_only: bool) -> str:
    """A label, such as "R²", with the nearest ASCII characters if need be."""
    return normalize("NFKD", label).encode("ascii", "ignore").decode() if ascii_only else label
