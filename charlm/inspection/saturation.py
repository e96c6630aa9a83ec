"""How often gates are as good as closed or open (Karpathy, Johnson & Fei-Fei 2015, figure 3)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import UsageError
from charlm.inspection.activity import characters_to_read, record_activity
from charlm.inspection.gates import GATES, Gate
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids

# A gate below the first is left-saturated, above the second right-saturated.
LEFT, RIGHT = 0.1, 0.9


@dataclass(frozen=True)
class GateSaturation:
    """How often each unit's gate is saturated.

    Args:
        layer: from 0 on.
        gate: its name in the cell's equations.
        shares: of time below `LEFT`, and of time above `RIGHT`, (H, 2).
        meaning: what the gate does near 0 and near 1.
    """

    layer: int
    gate: str
    shares: npt.NDArray[np.float64]
    meaning: Gate

    def to_json(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "gate": self.gate,
            "near_0": self.meaning.near_0,
            "near_1": self.meaning.near_1,
            "left": self.shares[:, 0].tolist(),
            "right": self.shares[:, 1].tolist(),
        }


@dataclass(frozen=True)
class Saturation:
    """How often the gates of a model are saturated while it reads a text.

    Args:
        gates: one for each gate and layer.
        characters: of the text that it rests on, its first ones.
        text_characters: of the whole text.
        cell: the cell's name.
        corpus, split: where the text comes from.
        notes: sentences to show along with it.
    """

    gates: tuple[GateSaturation, ...]
    characters: int
    text_characters: int
    cell: str
    corpus: str = ""
    split: str = "all"
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus,
            "split": self.split,
            "characters": self.characters,
            "text_characters": self.text_characters,
            "cell": self.cell,
            "thresholds": {"left": LEFT, "right": RIGHT},
            "gates": [each.to_json() for each in self.gates],
        }


def gate_saturation(
    model: LanguageModel, ids: Ids, report: ProgressCallback = ignore_progress
) -> Saturation:
    """How often each gate of each layer is saturated while the model reads a text's beginning.

    Args:
        ids: of the text, (characters,).

    Raises:
        UsageError: the cell has no gates.
    """
    if not GATES[model.config.cell]:
        raise UsageError(
            f"The cell {model.config.cell} has no gates.", "Name a run of another cell."
        )
    config, found = model.config, list[GateSaturation]()
    layers = record_activity(model, ids[: characters_to_read(config)], report)
    for layer, activity in enumerate(layers):
        for name, meaning in GATES[config.cell].items():
            values = activity[name]
            shares = np.stack([(values < LEFT).mean(0), (values > RIGHT).mean(0)], axis=1)
            found.append(GateSaturation(layer, name, shares, meaning))
    return Saturation(tuple(found), len(layers[0]["h"]), len(ids), config.cell)
