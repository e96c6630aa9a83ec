"""Which units of which activity follow which properties of a text, and how well.

The first half of the text selects: which units follow a property, by the linear shift test
(`shift_test.py`), and in which direction. The second half says how well (`effect_sizes.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charlm.inspection.activity import Array
from charlm.inspection.effect_sizes import Effects, Strata, StratumMeans, auc, r_squared
from charlm.inspection.properties import Property
from charlm.inspection.shift_test import ShiftPlan, shift_test
from charlm.progress import ProgressCallback, ignore_progress

# What is reported: family-wise p at most this, and on text that did not select an AUC or R² of at
# least these.
SIGNIFICANCE = 0.05
LEAST_AUC, LEAST_R_SQUARED = 0.8, 0.2


@dataclass(frozen=True)
class Block:
    """The same activity of all units of a layer.

    Args:
        layer: from 0 on.
        what: "h", "tanh(C)", or a gate's name.
        values: (characters, units).
    """

    layer: int
    what: str
    values: Array


@dataclass(frozen=True)
class Group:
    """Properties that are compared within the same strata of a text.

    Args:
        properties: binary ones first.
        strata: numbers of the strata, (characters,): the current character, or all the same.
    """

    properties: tuple[Property, ...]
    strata: Strata

    @property
    def values(self) -> Array:
        """(characters, properties)."""
        columns = [each.values for each in self.properties]
        return np.stack(columns, 1) if columns else np.empty((len(self.strata), 0), np.float32)

    @property
    def binary(self) -> int:
        """How many are binary."""
        return sum(each.binary for each in self.properties)


@dataclass(frozen=True)
class Selection:
    """What a search found of all units, those of all blocks one after the other.

    Args:
        properties: those of the columns.
        correlation: on the selecting half, given the current character, (units, properties).
        p: family-wise, of the same, (units, properties).
        effect: AUC or R² on the other half, (units, properties); NaN of what p rules out, but for
            the unit that is most correlated with a property.
        plan: the shifts of the test.
    """

    properties: tuple[Property, ...]
    correlation: Array
    p: Effects
    effect: Effects
    plan: ShiftPlan

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Whether p and effect are good enough, (units, properties)."""
        least = [LEAST_AUC if each.binary else LEAST_R_SQUARED for each in self.properties]
        with np.errstate(invalid="ignore"):
            return (self.p <= SIGNIFICANCE) & (self.effect >= np.array(least))

    def strongest_effect(self, column: int) -> float:
        """The effect of the unit that is most correlated with a property."""
        return float(self.effect[np.argmax(np.abs(self.correlation[:, column])), column])


def select_units(
    blocks: Sequence[Block],
    characters: Strata,
    properties: Sequence[Property],
    report: ProgressCallback = ignore_progress,
) -> Selection:
    """Find the units that follow properties.

    Args:
        blocks: activities of a text.
        characters: ids of that text, (characters,).
        properties: of a text of the same length: of that one, or to test the search of another.

    Raises:
        UsageError: the text is too short.
    """
    cut = len(characters) // 2
    plan = ShiftPlan.of(cut)
    groups = groups_of(characters, properties)

    def blocks_by_group() -> Iterator[list[Array]]:
        for block in blocks:
            half = block.values[:cut]
            strata = [group.strata[:cut] for group in groups]
            yield [StratumMeans(half, each).residuals(half, each) for each in strata]

    def report_tested(done: int, of: int) -> None:
        report(done, 2 * len(blocks))

    properties_by_group = [group.values[:cut] for group in groups]
    found = shift_test(blocks_by_group(), properties_by_group, plan, report_tested)
    # What p rules out has no effect to be computed, but for each property's strongest unit.
    strength = np.abs(found.correlation)
    wanted = np.where(
        (found.p <= SIGNIFICANCE) | (strength == strength.max(0)), found.correlation, 0
    )
    effects, row = [], 0
    for done, block in enumerate(blocks, len(blocks) + 1):
        units = wanted[row : row + block.values.shape[1]]
        row += len(units)
        columns = np.split(units, [len(groups[0].properties)], axis=1)
        pairs = zip(groups, columns, strict=True)
        effects.append(np.concatenate([held_out(block.values, *each) for each in pairs], axis=1))
        report(done, 2 * len(blocks))
    ordered = tuple(each for group in groups for each in group.properties)
    return Selection(ordered, found.correlation, found.p, np.concatenate(effects), plan)


def groups_of(characters: Strata, properties: Sequence[Property]) -> tuple[Group, Group]:
    """Properties of the character itself, over all characters, and others within the same one."""
    ordered = sorted(properties, key=lambda each: not each.binary)
    own = tuple(each for each in ordered if each.of_character)
    others = tuple(each for each in ordered if not each.of_character)
    return Group(own, np.zeros_like(characters)), Group(others, characters)


def held_out(activity: Array, group: Group, correlation: Array) -> Effects:
    """AUC or R² on the second half of a text, (units, properties).

    Args:
        activity: (characters, units).
        correlation: on the first half, whose sign says in which direction a unit follows, (units,
            properties); 0 of what need not be computed, which becomes NaN.
    """
    cut, binary = len(activity) // 2, group.binary
    strata, values = group.strata, group.values
    effects = np.full(correlation.shape, np.nan)
    some = np.flatnonzero(correlation[:, :binary].any(1))
    if len(some):
        areas = auc(activity[cut:, some], strata[cut:], values[cut:, :binary])
        effects[some, :binary] = np.where(correlation[some, :binary] > 0, areas, 1 - areas)
    some = np.flatnonzero(correlation[:, binary:].any(1))
    if len(some):
        both = activity[:, some], values[:, binary:]
        means = [StratumMeans(each[:cut], strata[:cut]) for each in both]
        effects[some, binary:] = r_squared(
            *(
                mean.residuals(each[half], strata[half])
                for half in (slice(cut), slice(cut, None))
                for mean, each in zip(means, both, strict=True)
            )
        )
    effects[correlation == 0] = np.nan
    return effects
