"""How far predicted numbers are from the true ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from charlm.scoring.score import LARGEST, Figure, stored_count, stored_number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegressionScore:
    """Squared and absolute errors of some rows; it adds up over disjoint sets of them.

    Args:
        squared, absolute: sums of the errors, in the target's units.
        total, squares: sums of the true numbers and of their squares.
        rows: how many.
        scale: spread of the target in training, by which the loss is made comparable.
    """

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("rmse", "RMSE", "rmse"),
        Figure("mae", "MAE", "mae"),
        Figure("r2", "R²", "R²", more_is_better=True),
    )

    squared: float
    absolute: float
    total: float
    squares: float
    rows: int
    scale: float = 1.0

    def __add__(self, other: "RegressionScore") -> "RegressionScore":
        return RegressionScore(
            self.squared + other.squared,
            self.absolute + other.absolute,
            self.total + other.total,
            self.squares + other.squares,
            self.rows + other.rows,
            self.scale,
        )

    @property
    def mse(self) -> float:
        """Mean squared error, in the square of the target's units."""
        return self.squared / self.rows if self.rows else math.nan

    @property
    def loss(self) -> float:
        """Mean squared error of what is minimized, which may be standardized."""
        return self.mse / self.scale**2

    @property
    def r2(self) -> float:
        """Share of the variance that is explained; NaN where the true numbers are all the same."""
        variance = self.squares - self.total**2 / self.rows if self.rows else 0.0
        constant = variance <= 1e-12 * max(self.squares, 1e-300)
        return math.nan if constant else 1 - self.squared / variance

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss)

    def to_json(self) -> dict[str, Any]:
        kept = {name: getattr(self, name) for name in FIELDS}
        mae = self.absolute / self.rows if self.rows else math.nan
        told = {"mse": self.mse, "rmse": math.sqrt(self.mse), "mae": mae, "r2": self.r2}
        return {**kept, "squared_error": self.loss, **told}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RegressionScore":
        least = {"squared": 0.0, "absolute": 0.0, "squares": 0.0, "scale": 1 / LARGEST}
        numbers: dict[str, Any] = {
            name: stored_number(values, name, least.get(name, -math.inf))
            for name in FIELDS
            if name != "rows"
        }
        return cls(rows=stored_count(values, "rows"), **numbers)


FIELDS = ("squared", "absolute", "total", "squares", "rows", "scale")


def score_of(predicted: Floats, true: Floats, scale: float = 1.0) -> RegressionScore:
    """The score of predictions, (rows,), in the target's units."""
    errors = predicted - true
    return RegressionScore(
        float((errors**2).sum()),
        float(np.abs(errors).sum()),
        float(true.sum()),
        float((true**2).sum()),
        len(true),
        scale,
    )
