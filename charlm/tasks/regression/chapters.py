"""What a report shows of a regression."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from charlm.rnn.encoder import Encoder
from charlm.sections import Draft, Grid, Part, Picture
from charlm.tasks.regression.evaluation import RegressionEvaluation, evaluate_numbers
from charlm.tasks.regression.run import RegressionRun

if TYPE_CHECKING:
    from charlm.rnn.model import RecurrentModel

WORST = 10


def drafts(run: RegressionRun, load_model: "Callable[[], RecurrentModel]") -> list[Draft]:
    """The score with its pictures."""
    return [Draft("Numbers", lambda: numbers(run, load_model))]


def numbers(run: RegressionRun, load_model: "Callable[[], RecurrentModel]") -> Iterator[Part]:
    """How well the numbers of the held-out rows are predicted."""
    result = evaluate_numbers(run, cast("Encoder", load_model()), None, None)
    rows = f"{result.score.rows:,} rows ({result.split})"
    yield from result.sections(run.name)
    r2 = f"R² is {result.score.to_json()['r2']:.3f}."
    yield Picture(f"Predicted against true, {rows}", r2, partial(paint_predicted, result))
    left = result.true - result.predicted
    said = f"Half of the residuals lie between {np.quantile(left, 0.25):.4g} and "
    said += f"{np.quantile(left, 0.75):.4g}."
    yield Picture(f"What is left over, {rows}", said, partial(paint_residuals, result))
    order = np.argsort(-np.abs(left), kind="stable")[:WORST]
    yield f"The {len(order)} rows that it is most wrong about:"
    yield Grid(
        ("true", "predicted", "true − predicted"),
        [(float(result.true[i]), float(result.predicted[i]), float(left[i])) for i in order],
        names=0,
    )


def paint_predicted(result: RegressionEvaluation, figure: Any) -> None:
    """Draw predicted against true numbers."""
    from charlm.plots.numbers import draw_predicted

    draw_predicted(figure.subplots(), result.true, result.predicted, result.target)


def paint_residuals(result: RegressionEvaluation, figure: Any) -> None:
    """Draw what is left over."""
    from charlm.plots.numbers import draw_residuals

    draw_residuals(figure.subplots(), result.true, result.predicted, result.target)
