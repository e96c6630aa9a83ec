"""The scores of several models, side by side."""

from collections.abc import Mapping

from charlm.scoring.score import Score
from charlm.sections import Grid


def grid_of_scores(scores: Mapping[str, Score], caption: str = "") -> Grid:
    """Scores of one kind by the model's name, the worst first."""
    figures = next(iter(scores.values())).figures
    ranked = sorted(scores.items(), key=lambda pair: -pair[1].loss)
    return Grid(
        ("model", *(each.title for each in figures)),
        [(name, *(score.to_json()[each.key] for each in figures)) for name, score in ranked],
        caption=caption,
    )
