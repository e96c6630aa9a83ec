"""What there is to show, for whoever shows it: a terminal, a notebook, a page."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from charlm.palettes import Scale

# Of numbers with a decimal point four digits are shown; None is a dash.
Value = str | int | float | None


@dataclass(frozen=True)
class Facts:
    """Names and values, one below the other."""

    pairs: Sequence[tuple[str, Value]]


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        columns: their names; the first `names` of them hold words.
        caption: what it shows, for pages; a terminal leaves it out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    names: int = 1
    caption: str = ""

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, with a line end behind it."""
        lines = [
            self.columns,
            [":---" if at < self.names else "---:" for at in range(len(self.columns))],
            *([markdown_cell(value) for value in row] for row in self.rows),
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_cell(value: Value) -> str:
    """A value as a cell of a Markdown table: on one line, its bars escaped."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4f}"
    words = "-" if value is None else str(value)
    return " ".join(words.replace("\\", "\\\\").replace("|", "\\|").split())


# A string is a sentence.
Section = Facts | Grid | str
# What a run is called where its name is not known.
THIS_RUN = "this run"


@dataclass(frozen=True)
class Heading:
    """What the parts after it are about."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when it is shown, once for each theme of a page.

    Args:
        title: what it is of.
        alternative: what it says, for those who do not see it.
        draw: draws on an empty matplotlib Figure.
        inches: width and height.
    """

    title: str
    alternative: str
    draw: Callable[[Any], Any]
    inches: tuple[float, float] = (6.4, 4.0)


@dataclass(frozen=True)
class Prose:
    """A text as it is, such as one that a model wrote."""

    title: str
    text: str


@dataclass(frozen=True)
class ColouredText:
    """A text whose characters are coloured by a number each.

    Args:
        title: what it is, and where it comes from.
        text: (characters,).
        values: for each character; None where there is none.
        scale: from numbers to colours.
        unit: of the values, such as "bits".
        prominent: characters with this value or more are marked even without colours; None: none.
        likeliest: for each character, others and their probabilities, the likeliest first.
        earlier: for each character, how much it hangs on those before it, 0 to 1, the nearest
            first. Then the colours are of these, once a character is chosen.
        missing: what to say of a character without a value.
    """

    title: str
    text: str
    values: Sequence[float | None]
    scale: Scale
    unit: str
    prominent: float | None = None
    likeliest: Sequence[Sequence[tuple[str, float]]] | None = None
    earlier: Sequence[Sequence[float]] | None = None
    missing: str = "no value"


@dataclass(frozen=True)
class Folded:
    """A long table that is shown on demand."""

    title: str
    content: Facts | Grid


# What a page can show besides.
Part = Section | Heading | Picture | Prose | ColouredText | Folded


@dataclass(frozen=True)
class Chapter:
    """Parts of a page under one heading."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Draft:
    """A chapter of a report that is yet to be made.

    Args:
        title: its heading.
        make: makes its parts; CharlmError where there is nothing to make them of.
    """

    title: str
    make: Callable[[], Iterable[Part]]
