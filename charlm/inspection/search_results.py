"""What a search for units has found, ready to be shown, and to be kept as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charlm.inspection.excerpts import Excerpts
from charlm.inspection.selection import LEAST_AUC, LEAST_R_SQUARED, SIGNIFICANCE
from charlm.inspection.shift_test import ShiftPlan


@dataclass(frozen=True)
class FoundUnit:
    """A unit that follows a property.

    Args:
        layer, unit: from 0 on.
        what: of its activities, "h", "tanh(C)" or a gate's name.
        correlation: on the selecting half, given the current character; negative if the unit is low
            where the property is high.
        p: family-wise.
        effect: AUC of a binary property, R² of a numeric one, on the held-out half.
        low, high: between which numbers the activity lies.
        excerpts: of the held-out half.
    """

    layer: int
    unit: int
    what: str
    correlation: float
    p: float
    effect: float
    low: float
    high: float
    excerpts: Excerpts

    def to_json(self) -> dict[str, Any]:
        names = ("layer", "unit", "what", "correlation", "p", "effect", "low", "high")
        return {
            **{name: getattr(self, name) for name in names},
            "excerpts": self.excerpts.to_json(),
        }


@dataclass(frozen=True)
class FoundProperty:
    """What a search found for one property.

    Args:
        name: such as "inside quotes".
        binary: whether it is yes or no, so that effects are AUCs; else they are R².
        of_character: whether the character just read decides it.
        mean: of the property, over the text: of a binary one its share.
        number: how many units follow it.
        units: of these, the ones most correlated with it on the selecting half.
        untrained_number: how many do in the untrained net.
        untrained_effect: of the untrained net's unit that is most correlated with it.
    """

    name: str
    binary: bool
    of_character: bool
    mean: float
    number: int
    units: tuple[FoundUnit, ...]
    untrained_number: int
    untrained_effect: float

    @property
    def measure(self) -> str:
        return "AUC" if self.binary else "R²"

    def to_json(self) -> dict[str, Any]:
        return {
            "property": self.name,
            "measure": self.measure,
            "of_character": self.of_character,
            "mean": self.mean,
            "found": self.number,
            "units": [each.to_json() for each in self.units],
            "untrained": {"found": self.untrained_number, "effect": self.untrained_effect},
        }


@dataclass(frozen=True)
class NeuronSearch:
    """What a search for units found.

    Args:
        properties: those that were searched for, the best followed first, and of these those that
            the character just read does not decide.
        left_out: why others were not, by name.
        characters: of the text that were read, its first ones.
        text_characters: of the whole text.
        searched: how many units there are, each activity of each counted.
        plan: the shifts of the test.
        seed: of the untrained net and of the random excerpts.
        corpus, split: where the text comes from.
        notes: sentences to show along with it.
    """

    properties: tuple[FoundProperty, ...]
    left_out: Mapping[str, str]
    characters: int
    text_characters: int
    searched: int
    plan: ShiftPlan
    seed: int
    corpus: str = ""
    split: str = "all"
    notes: tuple[str, ...] = ()

    @property
    def thresholds(self) -> dict[str, float]:
        """What a finding has: p at most, and held out an AUC or an R² of at least."""
        return {"p": SIGNIFICANCE, "AUC": LEAST_AUC, "R²": LEAST_R_SQUARED}

    @property
    def found(self) -> int:
        """How many pairs of a unit and a property were found."""
        return sum(each.number for each in self.properties)

    @property
    def untrained_found(self) -> int:
        """How many were in the untrained net."""
        return sum(each.untrained_number for each in self.properties)

    def to_json(self) -> dict[str, Any]:
        cut = self.characters // 2
        return {
            "corpus": self.corpus,
            "split": self.split,
            "characters": self.characters,
            "text_characters": self.text_characters,
            "selecting": [0, cut],
            "held_out": [cut, self.characters],
            "searched": self.searched,
            "shifts": 2 * self.plan.shifts + 1,
            "step": self.plan.step,
            "thresholds": self.thresholds,
            "seed": self.seed,
            "found": self.found,
            "untrained_found": self.untrained_found,
            "properties": [each.to_json() for each in self.properties],
            "left_out": dict(self.left_out),
        }
