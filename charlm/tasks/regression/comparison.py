"""Whether a regression is better than the best of the simple models on the same rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.comparison import paired_interval, verdict

Floats = npt.NDArray[np.float64]


def compare(
    predicted: Floats, true: Floats, others: Mapping[str, Floats], config: RegressionConfig
) -> dict[str, Any]:
    """The best of some simple models, and the interval of the difference in RMSE to it.

    Args:
        predicted: what the regression says, (rows,).
        true: what is so, (rows,).
        others: what each simple model says, by name.
    """
    errors = {name: (each - true) ** 2 for name, each in others.items()}
    strongest = min(errors, key=lambda name: float(errors[name].sum()))
    block = 1
    if config.window is not None:
        # Neighbours share what is between them and their targets, and most of what was read.
        block = max(config.horizon, round(len(true) ** (1 / 3)))
    interval = paired_interval(
        (predicted - true) ** 2, errors[strongest], lambda a, b: np.sqrt(a) - np.sqrt(b), block
    )
    return {"baseline": strongest, "interval": list(interval)}


def sentence(found: Mapping[str, Any], items: str = "rows") -> str:
    """What `compare` found, in words."""
    low, high = found["interval"]
    shown = f"{low:+.3g} to {high:+.3g} of RMSE"
    return verdict((low, high), found["baseline"], shown, gains=False, items=items)
