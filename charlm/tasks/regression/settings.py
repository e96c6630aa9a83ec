"""Settings of regression, and its presets."""

from dataclasses import dataclass
from typing import Any

from charlm.config import setting
from charlm.errors import SettingError
from charlm.tasks.supervised.settings import WORDS, TableConfig


@dataclass(frozen=True)
class RegressionConfig(TableConfig):
    """How the rows of a table become inputs and a number to predict."""

    target_column: str | None = setting(
        None, "Column of the numbers to predict; by default the last one."
    )
    input_columns: str | None = setting(
        None, "Columns to predict from, with commas between them; by default all the others."
    )
    window: int | None = setting(
        None,
        "Read the table as a series: predict from so many rows up to now, the target's own past "
        "among their columns.",
        minimum=1,
    )
    horizon: int = setting(
        1,
        "Of a series: predict the target so many rows after the last one that is read.",
        minimum=1,
    )
    time_column: str | None = setting(
        None, "Of a series: column of times, by which its rows are sorted and gaps are found."
    )
    standardize: str = setting(
        "both",
        "Bring to mean 0 and spread 1, as in the training part: none, inputs or both.",
        choices=("none", "inputs", "both"),
    )
    missing: str = setting(
        "error",
        "What to do about missing values: error, mean (of the training part) or drop (the row).",
        choices=("error", "mean", "drop"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_column is not None and self.window is not None:
            raise SettingError("window", "is of numbers, and --text-column names texts.")

    @property
    def reads_texts(self) -> bool:
        """Whether numbers are predicted from texts."""
        return self.text_column is not None


PRESETS: dict[str, dict[str, Any]] = {
    # Tables of some hundred or thousand rows, and series.
    "numbers": {
        "cell": "gru",
        "hidden_size": 32,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "weight_decay": 0.1,
        "epochs": 100,
    },
    # Numbers of short texts, such as ratings.
    "ratings": WORDS,
    # A text's script on house prices: a row as one step, the price as it is, all rows at once, and
    # nothing held out.
    "house-prices": {
        "standardize": "inputs",
        "val_fraction": 0.0,
        "cell": "gru",
        "hidden_size": 32,
        "batch_size": 1_000_000,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "clip_norm": 0.0,
        "epochs": 10_000,
    },
}
DEFAULT_PRESET, OF_RATINGS = "numbers", "ratings"
