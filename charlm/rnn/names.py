"""Names of a layer's weights in a model: torch's own where torch has such a weight."""

from collections.abc import Mapping
from typing import TypeVar

Weight = TypeVar("Weight")
TORCH_NAMES = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}


def weight_name(letter: str, layer: int, reverse: bool = False) -> str:
    """The name of a layer's weight, such as weight_hh_l0 for U.

    Args:
        reverse: of the direction that reads from the end.
    """
    return f"{TORCH_NAMES.get(letter, letter)}_l{layer}{'_reverse' if reverse else ''}"


def by_letter(weights: Mapping[str, Weight], layer: int, prefix: str = "rnn.") -> dict[str, Weight]:
    """One layer's weights out of all of a model's, by their letters in the equations."""
    letters = {name: letter for letter, name in TORCH_NAMES.items()}
    found = {}
    for name, weight in weights.items():
        kind, _, number = name.removeprefix(prefix).rpartition("_l")
        if name.startswith(prefix) and number == str(layer):
            found[letters.get(kind, kind)] = weight
    return found
