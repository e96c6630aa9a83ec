"""What there is to say of an evaluation, for whoever shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


# A string is a sentence.
Section = Facts | Grid | str


def grid_of_scores(scores: Mapping[str, Score]) -> Grid:
    """Scores of one kind by the model's name, the worst first."""
    figures = next(iter(scores.values())).figures
    ranked = sorted(scores.items(), key=lambda pair: -pair[1].loss)
    return Grid(
        ("model", *(each.title for each in figures)),
        [(name, *(score.to_json()[each.key] for each in figures)) for name, score in ranked],
    )
