"""Units worth looking at, found by what they follow in a text, and beside them chance.

The same search is done with an untrained net, since random nets are selective too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.activity import (
    MOST_CHARACTERS,
    activity_of,
    characters_to_read,
    check_activity,
    range_of,
    record_activity,
)
from charlm.inspection.excerpts import Excerpts, find_excerpts
from charlm.inspection.gates import GATES
from charlm.inspection.properties import text_properties
from charlm.inspection.search_results import FoundProperty, FoundUnit, NeuronSearch
from charlm.inspection.selection import Block, Selection, select_units
from charlm.inspection.shift_test import ShiftPlan
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.seeds import Stream, generator
from charlm.text.vocabulary import Ids


def search_neurons(
    model: LanguageModel,
    untrained: LanguageModel,
    text: str,
    ids: Ids,
    *,
    patterns: Mapping[str, str] | None = None,
    what: str | None = None,
    characters: int = MOST_CHARACTERS,
    units: int = 1,
    seed: int = 0,
    report: ProgressCallback = ignore_progress,
) -> NeuronSearch:
    """Find units that follow properties of a text.

    Args:
        untrained: a net of the same shape, to compare with.
        ids: of the text, (characters,).
        patterns: regular expressions by name, whose matches are properties too.
        what: only this activity; by default the state, tanh(C) where there is a C, and all gates.
        characters: how many to read at most; more text shows weaker ties, in more time and memory.
        units: how many to report of each property.
        seed: for the random excerpts.
        report: called now and then with the number of steps done and the total.

    Raises:
        UsageError: the text is too short or too uniform, there is no such activity, or a pattern is
            no regular expression.
    """
    characters = min(len(text), characters_to_read(model.config, characters)) // 2 * 2
    cut, whole = characters // 2, len(text)
    plan = ShiftPlan.of(cut)
    text, ids = text[:characters], ids[:characters]
    every = text_properties(text, patterns)
    problems = {each.name: each.problem(cut) for each in every}
    kept = [each for each in every if not problems[each.name]]
    if not kept:
        raise UsageError("The text has nothing that a unit could follow.", "Name another text.")
    searched = searched_activities(model.config, what)
    stage = split_progress(report)

    def search(net: LanguageModel) -> tuple[list[Block], Selection]:
        layers = record_activity(net, ids, next(stage))
        blocks = [
            Block(number, name, activity_of(layer, name))
            for number, layer in enumerate(layers)
            for name in searched
        ]
        return blocks, select_units(blocks, ids.astype(np.int64), kept, next(stage))

    def excerpts(block: Block, unit: int) -> Excerpts:
        random = generator(seed, Stream.SAMPLING, block.layer, unit)
        return find_excerpts(block.values[cut:, unit], text, cut, random)

    blocks, selection = search(model)
    best = [
        best_units(blocks, selection, column, units, model.config.cell, excerpts)
        for column in range(len(kept))
    ]
    number = len(selection.p)
    del blocks  # As large as those of the untrained net, which come next.
    _, beside = search(untrained)
    found = [
        FoundProperty(
            each.name,
            each.binary,
            each.of_character,
            float(each.values.mean()),
            int(selection.found[:, column].sum()),
            best[column],
            int(beside.found[:, column].sum()),
            beside.strongest_effect(column),
        )
        for column, each in enumerate(selection.properties)
    ]
    left_out = {name: problem for name, problem in problems.items() if problem}
    found.sort(key=order)
    return NeuronSearch(tuple(found), left_out, characters, whole, number, plan, seed)


def searched_activities(config: ModelConfig, what: str | None) -> tuple[str, ...]:
    """The one that is named, or the state and all gates; the candidate is none."""
    first = check_activity(config, what)
    return (first, *GATES[config.cell]) if what is None else (first,)


def split_progress(report: ProgressCallback) -> Iterator[ProgressCallback]:
    """Callbacks for reading and testing, of one net and of the other, which take as long each."""
    for stage in range(4):

        def report_stage(done: int, of: int, before: int = stage) -> None:
            report(100 * before + 100 * done // of, 400)

        yield report_stage


def best_units(
    blocks: Sequence[Block],
    selection: Selection,
    column: int,
    number: int,
    cell: str,
    excerpts: Callable[[Block, int], Excerpts],
) -> tuple[FoundUnit, ...]:
    """The found units of a property that are most correlated with it on the selecting half."""
    strength = np.where(selection.found[:, column], np.abs(selection.correlation[:, column]), 0)
    rows = [row for row in np.argsort(-strength, kind="stable")[:number] if strength[row]]
    where = [(block, unit) for block in blocks for unit in range(block.values.shape[1])]
    chosen = []
    for row in rows:
        block, unit = where[row]
        chosen.append(
            FoundUnit(
                block.layer,
                unit,
                block.what,
                float(selection.correlation[row, column]),
                float(selection.p[row, column]),
                float(selection.effect[row, column]),
                *range_of(cell, block.what, block.values[:, unit]),
                excerpts(block, unit),
            )
        )
    return tuple(chosen)


def order(found: FoundProperty) -> tuple[bool, bool, float]:
    """Sorts first what was found, what the character does not decide, and the strongest."""
    best = found.units[0].effect if found.units else 0.0
    return not found.units, found.of_character, -best
