"""The scores of several models, side by side."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from charlm.scoring.score import Score
from charlm.sections import Grid


def mean_and_spread(columns: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """The mean of each column, and its standard deviation (n - 1); NaN where that is no number."""
    spreads = [
        stdev(each) if len(each) > 1 and all(map(math.isfinite, each)) else math.nan
        for each in columns
    ]
    return [fmean(each) for each in columns], spreads


def grid_of_scores(scores: Mapping[str, Score], caption: str = "") -> Grid:
    """Scores of one kind by the model's name, the worst first."""
    figures = next(iter(scores.values())).figures
    ranked = sorted(scores.items(), key=lambda pair: -pair[1].loss)
    return Grid(
        ("model", *(each.title for each in figures)),
        [(name, *(score.to_json()[each.key] for each in figures)) for name, score in ranked],
        caption=caption,
    )
