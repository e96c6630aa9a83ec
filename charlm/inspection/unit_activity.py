"""What one unit does while a model reads a text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.activity import (
    activity_of,
    characters_to_read,
    check_activity,
    range_of,
    record_activity,
)
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids


@dataclass(frozen=True)
class UnitActivity:
    """An activity of one unit after reading each character of a text.

    Args:
        text: the characters that were read, the first ones of a text.
        values: (characters,).
        layer, unit: from 0 on.
        what: "h", "tanh(C)", or a gate's name.
        low, high: between which numbers it lies.
        text_characters: of the whole text.
        corpus, split: where the text comes from.
        notes: sentences to show along with it.
    """

    text: str
    values: npt.NDArray[np.float32]
    layer: int
    unit: int
    what: str
    low: float
    high: float
    text_characters: int
    corpus: str = ""
    split: str = "all"
    notes: tuple[str, ...] = ()

    @property
    def scaled(self) -> npt.NDArray[np.float32]:
        """Values from -1 for `low` to 1 for `high`."""
        scaled: npt.NDArray[np.float32] = 2 * (self.values - self.low) / (self.high - self.low) - 1
        return scaled

    def to_json(self) -> dict[str, Any]:
        names = ("corpus", "split", "layer", "unit", "what", "low", "high")
        return {
            **{name: getattr(self, name) for name in names},
            "characters": len(self.text),
            "text_characters": self.text_characters,
            "text": self.text,
            "activity": self.values.tolist(),
        }


def check_unit(config: ModelConfig, layer: int, unit: int) -> None:
    """Raise UsageError if the model has no such unit."""
    for name, number, size in (
        ("layer", layer, config.num_layers),
        ("unit", unit, config.hidden_size),
    ):
        if not 0 <= number < size:
            known = f"They are numbered from 0 to {size - 1}." if size > 1 else "The only one is 0."
            raise UsageError(f"There is no {name} {number}.", known)


def unit_activity(
    model: LanguageModel,
    text: str,
    ids: Ids,
    layer: int,
    unit: int,
    what: str | None = None,
    report: ProgressCallback = ignore_progress,
) -> UnitActivity:
    """What one unit does while the model reads a text's beginning.

    Args:
        ids: of the text, (characters,).
        what: "h", "C" or "tanh(C)", or a gate's name; None for the default.

    Raises:
        UsageError: there is no such unit or activity.
    """
    check_unit(model.config, layer, unit)
    name = check_activity(model.config, what)
    layers = record_activity(model, ids[: characters_to_read(model.config)], report)
    values = activity_of(layers[layer], name)[:, unit].copy()
    low, high = range_of(model.config.cell, name, values)
    read = text[: len(values)]
    return UnitActivity(read, values, layer, unit, name, low, high, len(text))
