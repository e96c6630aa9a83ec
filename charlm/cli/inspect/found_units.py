"""How `charlm inspect neurons` shows what a search has found."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from charlm.cli import console
from charlm.cli.coloured_text import coloured, has_colours
from charlm.cli.inspect.activity_views import extent
from charlm.palettes import ACTIVITY

if TYPE_CHECKING:
    from rich.text import Text

    from charlm.inspection.excerpts import Excerpt
    from charlm.inspection.search_results import FoundProperty, FoundUnit, NeuronSearch

# A minus before the activity: low where there is more of the property.
COLUMNS = ["property", "layer", "unit", "activity", "held out", "p", "found", "untrained"]


def show_search(run: str, found: "NeuronSearch") -> None:
    """What was searched, the units that were found, and the excerpts of each."""
    activities = f"{console.count(found.searched)} activities"
    p, area, share = found.thresholds.values()
    plan, half = found.plan, found.characters // 2
    console.facts(
        [
            ("run", run),
            ("text", f"{found.corpus} ({found.split})"),
            ("characters read", extent(found.characters, found.text_characters)),
            ("selected on", f"the first {console.count(half)}; held out: the others"),
            ("searched", f"{activities}, {len(found.properties)} properties"),
            ("test", f"{2 * plan.shifts + 1} shifts by {plan.step} characters"),
            ("reported if", f"p ≤ {p}, and held out AUC ≥ {area} or R² ≥ {share}"),
            ("found", console.count(found.found)),
            ("in an untrained net", console.count(found.untrained_found)),
        ]
    )
    reported = [each for each in found.properties if each.units]
    for of_character, title in (
        (False, "Units that follow a property, beyond the current character"),
        (True, "Units that follow the current character, as in any net that reads it"),
    ):
        some = [each for each in reported if each.of_character is of_character]
        if some:
            console.write("\n")
            console.heading(title)
            console.table(
                COLUMNS,
                (row(each, unit) for each in some for unit in each.units),
                left=["activity"],
                wrap=["property"],
            )
    console.gap()
    nothing = [each.name for each in found.properties if not each.units]
    left_out = [f"{name} ({problem})" for name, problem in found.left_out.items()]
    console.facts(
        [
            *([("nothing found", ", ".join(nothing))] if nothing else []),
            *([("left out", "; ".join(left_out))] if left_out else []),
        ]
    )
    show = show_excerpts if console.terminal().is_terminal else print_excerpts
    show([(each, unit) for each in reported for unit in each.units])


def row(found: "FoundProperty", unit: "FoundUnit") -> list[str]:
    """Of a table: what was found of a property, and in brackets how much in the untrained net."""
    untrained = console.number(found.untrained_effect, 2)
    return [
        found.name,
        str(unit.layer),
        str(unit.unit),
        unit.what if unit.correlation > 0 else f"-{unit.what}",
        f"{found.measure} {console.number(unit.effect, 2)}",
        console.number(unit.p, 2),
        console.count(found.number),
        f"{untrained} ({console.count(found.untrained_number)})",
    ]


def print_excerpts(found: Iterable["tuple[FoundProperty, FoundUnit]"]) -> None:
    """The excerpts of all units as one table, for other programs."""
    console.gap()
    columns = ["property", "layer", "unit", "activity", "excerpt", "position", "value"]
    console.table(
        [*columns, "before", "character", "after"],
        (
            (
                *(each.name, unit.layer, unit.unit, unit.what, kind),
                *(excerpt.position + 1, f"{excerpt.value:.4f}", *excerpt.around),
            )
            for each, unit in found
            for kind, excerpts in unit.excerpts.by_kind().items()
            for excerpt in excerpts
        ),
    )


def show_excerpts(found: Iterable["tuple[FoundProperty, FoundUnit]"]) -> None:
    """Where units are most and least active, and where they happened to be looked at."""
    for each, unit in found:
        console.terminal().print()
        direction = "rises" if unit.correlation > 0 else "falls"
        console.heading(
            f"{each.name}: layer {unit.layer}, unit {unit.unit}, {unit.what}, "
            f"{each.measure} {console.number(unit.effect, 2)}, {direction} with it"
        )
        for kind, excerpts in unit.excerpts.by_kind().items():
            console.terminal().print(f"{kind}:")
            for excerpt in excerpts:
                line = line_of(excerpt, unit)
                console.terminal().print(line, no_wrap=True, overflow="ellipsis")


def line_of(excerpt: "Excerpt", unit: "FoundUnit") -> "Text":
    """An excerpt on one line, its position underlined, or in brackets without colours."""
    from rich.text import Text

    line = Text(f"{excerpt.value:7.2f}  ")
    before, character, after = (each.replace("\n", "↵") for each in excerpt.around)
    # On a narrow terminal the beginning is left out.
    room = console.terminal().width - len(line) - len(after) - 4
    start = max(len(before) - max(room, 0), 0)
    if not has_colours():
        return line.append(console.visible(f"{before[start:]}[{character}]{after}"))
    scale = (2 * (each - unit.low) / (unit.high - unit.low) - 1 for each in excerpt.values)
    text = coloured(before + character + after, list(scale), ACTIVITY)
    text.stylize("bold underline", len(before), len(before) + 1)
    return line.append_text(text[start:])
