"""Means and spreads of the training part: what inputs and predictions are scaled by."""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.files import strict_json
from charlm.files.schema import check

Floats = npt.NDArray[np.float64]


# Of its numbers, and of what they are divided by: beyond it, squares of float64 are no numbers.
LARGEST = 1e150


class ScalerFile(TypedDict):
    """What scaler.json holds."""

    columns: list[str]
    means: list[float]
    spreads: list[float]
    fill: list[float]
    target: str
    target_mean: float
    target_spread: float


@dataclass(frozen=True)
class Scaler:
    """What a number is scaled by: (number - mean) / spread.

    Args:
        columns: names of the inputs, in order.
        means, spreads: of each input, (I,).
        fill: what stands for a missing value of each input, (I,): its mean in training.
        target: the target's name; its mean and spread follow.
    """

    columns: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    fill: tuple[float, ...]
    target: str
    target_mean: float
    target_spread: float

    @classmethod
    def fit(
        cls, columns: tuple[str, ...], inputs: Floats, target: str, values: Floats, kind: str
    ) -> "Scaler":
        """The scaler of a training part.

        Args:
            inputs: (rows, I); NaN where a value is missing.
            values: of the target, (rows,).
            kind: what is scaled: "none", "inputs" or "both".

        Raises:
            CorpusError: a column is constant or has no values.
        """
        there = ~np.isnan(inputs)
        if not there.any(0).all():
            empty = columns[int(np.argmin(there.any(0)))]
            raise CorpusError(f"The column '{empty}' has no values in the training part.")
        means, spreads = np.nanmean(inputs, 0), np.nanstd(inputs, 0)
        if (spreads == 0).any():
            constant = columns[int(np.argmin(spreads))]
            raise CorpusError(
                f"The column '{constant}' has the same value in every row of the training part.",
                "Leave it out: name the others with --input-columns.",
            )
        if values.std() == 0:
            raise CorpusError(f"The column '{target}' is constant: there is nothing to predict.")
        scaled, both = kind != "none", kind == "both"
        return cls(
            columns,
            tuple(means.tolist()) if scaled else (0.0,) * len(columns),
            tuple(spreads.tolist()) if scaled else (1.0,) * len(columns),
            tuple(means.tolist()),
            target,
            float(values.mean()) if both else 0.0,
            float(values.std()) if both else 1.0,
        )

    def scale(self, inputs: Floats) -> npt.NDArray[np.float32]:
        """Inputs (rows, I) as a model reads them; missing values are filled."""
        filled = np.where(np.isnan(inputs), np.array(self.fill), inputs)
        scaled = (filled - np.array(self.means)) / np.array(self.spreads)
        narrow: npt.NDArray[np.float32] = scaled.astype(np.float32)
        return narrow

    def scale_target(self, values: Floats) -> npt.NDArray[np.float32]:
        """Numbers of the target, (rows,), as a model learns them."""
        return ((values - self.target_mean) / self.target_spread).astype(np.float32)

    def unscale_target(self, outputs: npt.NDArray[Any]) -> Floats:
        """A model's outputs, (rows,), in the target's units."""
        unscaled: Floats = outputs.astype(np.float64) * self.target_spread + self.target_mean
        return unscaled

    def to_json(self) -> str:
        return strict_json.dumps(vars(self), ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, content: str) -> "Scaler":
        """The inverse of `to_json`.

        Raises:
            ValueError: the content is not what `to_json` writes.
        """
        try:
            values = strict_json.loads(content)
            check(values, ScalerFile, "the file")
        except ValueError as error:
            raise ValueError(f"no scaler: {error}") from None
        lists: dict[str, Any] = {
            name: tuple(values[name]) for name in ("columns", "means", "spreads", "fill")
        }
        numbers = [*lists["means"], *lists["spreads"], *lists["fill"]]
        numbers += [values["target_mean"], values["target_spread"]]
        if not all(abs(each) <= LARGEST for each in numbers):
            raise ValueError("a scaler has finite numbers")
        spreads = (*lists["spreads"], values["target_spread"])
        if len({len(each) for each in lists.values()}) != 1 or min(spreads) < 1 / LARGEST:
            raise ValueError("a scaler needs a mean and a spread for each column")
        return cls(**{name: lists.get(name, values[name]) for name in ScalerFile.__annotations__})
