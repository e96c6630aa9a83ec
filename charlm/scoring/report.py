"""What there is to say of an evaluation, for whoever shows it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from charlm.scoring.score import Score

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
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    names: int = 1

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


def mean_and_spread(columns: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """The mean of each column, and its standard deviation (n - 1); NaN where that is no number."""
    spreads = [
        stdev(each) if len(each) > 1 and all(map(math.isfinite, each)) else math.nan
        for each in columns
    ]
    return [fmean(each) for each in columns], spreads


def grid_of_scores(scores: Mapping[str, Score]) -> Grid:
    """Scores of one kind by the model's name, the worst first."""
    figures = next(iter(scores.values())).figures
    ranked = sorted(scores.items(), key=lambda pair: -pair[1].loss)
    return Grid(
        ("model", *(each.title for each in figures)),
        [(name, *(score.to_json()[each.key] for each in figures)) for name, score in ranked],
    )
