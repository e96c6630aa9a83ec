"""What a report shows of a language model's units."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from charlm.errors import UsageError
from charlm.inspection.search_results import FoundProperty, FoundUnit, NeuronSearch
from charlm.palettes import SIGNED, Scale
from charlm.sections import ColouredText, Facts, Grid, Heading, Part, Picture
from charlm.tasks.language_modeling.inspector import Inspector
from charlm.tasks.language_modeling.kept_results import key_of

if TYPE_CHECKING:
    from charlm.inspection.excerpts import Excerpt

# Characters that are searched, and units whose excerpts are shown.
CHARACTERS, SHOWN = 12_000, 6
KEPT = "neurons"
# Layers whose gates are drawn.
MOST_LAYERS = 3


def neurons(inspector: Inspector) -> Iterator[Part]:
    """Units that follow something in the text, and how often gates are closed or open."""
    try:
        yield from findings(search(inspector))
    except UsageError as error:
        yield error.message
    yield saturation(inspector)


def search(inspector: Inspector) -> NeuronSearch:
    """A search of the held-out text, or where that is too short of all of it; kept with the run.

    Raises:
        UsageError: all of it is too short.
    """
    run, key = inspector.run, key_of(inspector.run, CHARACTERS)
    found = run.kept(KEPT, key, NeuronSearch)
    if found is None:
        try:
            found = inspector.neurons(characters=CHARACTERS)
        except UsageError:
            found = inspector.neurons(characters=CHARACTERS, split="all")
        run.keep(KEPT, key, found)
    return found


def findings(found: NeuronSearch) -> Iterator[Part]:
    """What a search found, and excerpts of the units beyond the current character."""
    p, area, share = found.thresholds.values()
    half = found.characters // 2
    yield (
        f"Selected on the first {half:,} characters of {found.corpus} ({found.split}), measured on "
        f"the next {found.characters - half:,}. Reported are units with a family-wise p of at most "
        f"{p}, by the linear shift test over all units and properties, and held out an AUC of at "
        f"least {area} or an R² of at least {share}, the current character accounted for. Beside "
        "them stands the same search in an untrained net of the same shape: random nets follow "
        "much too."
    )
    yield Facts(
        [
            ("activities searched", found.searched),
            ("properties", len(found.properties)),
            ("found", found.found),
            ("found in the untrained net", found.untrained_found),
            ("left out", "; ".join(f"{n} ({why})" for n, why in found.left_out.items()) or None),
        ]
    )
    reported = [(each, unit) for each in found.properties for unit in each.units]
    for of_character, caption in (
        (False, "Units that follow a property beyond the current character"),
        (True, "Units that follow the current character, as any net that reads it has"),
    ):
        some = [pair for pair in reported if pair[0].of_character is of_character]
        yield table(some, caption) if some else f"{caption}: none was found."
    beyond = [pair for pair in reported if not pair[0].of_character]
    for each, unit in beyond[:SHOWN]:
        way = "rises" if unit.correlation > 0 else "falls"
        yield Heading(
            f"{each.name}: layer {unit.layer}, unit {unit.unit}, {unit.what}, {way} with it"
        )
        for kind, excerpts in unit.excerpts.by_kind().items():
            yield coloured(f"{kind} on held-out text", excerpts, unit)


def table(found: Sequence[tuple[FoundProperty, FoundUnit]], caption: str) -> Grid:
    """A row for each unit that was found."""
    columns = ("property", "activity", "layer", "unit", "held out", "p", "untrained")
    rows = [
        (
            each.name,
            unit.what,
            unit.layer,
            unit.unit,
            f"{each.measure} {unit.effect:.2f}",
            f"{unit.p:.2f}",
            f"{each.untrained_effect:.2f} ({each.untrained_number:,} found)",
        )
        for each, unit in found
    ]
    return Grid(columns, rows, names=2, caption=caption)


def coloured(title: str, excerpts: "Sequence[Excerpt]", unit: FoundUnit) -> ColouredText:
    """Excerpts, one on each line, coloured by a unit's activity."""
    text, values = "", list[float | None]()
    for excerpt in excerpts:
        text += excerpt.text.replace("\n", "↵") + "\n"
        values += [*excerpt.values, None]
    scale = Scale.between("activity", SIGNED, unit.low, unit.high)
    return ColouredText(title, text, values, scale, f"{unit.what}")


def saturation(inspector: Inspector) -> Part:
    """A scatter for each gate and layer, or why there is none."""
    from charlm.plots.neurons import draw_saturation, size_of

    try:
        found = inspector.saturation()
        gates = tuple(each for each in found.gates if each.layer < MOST_LAYERS)
    except UsageError as error:
        return error.message
    shares = [each.shares.mean(0) for each in gates]
    said = ", ".join(
        f"{gate.gate} of layer {gate.layer} is closed {left:.0%} and open {right:.0%} of the time"
        for gate, (left, right) in zip(gates, shares, strict=True)
    )
    title = "How often each unit's gates are closed or open"
    if len(gates) < len(found.gates):
        title += f", in the first {MOST_LAYERS} layers"
    found = replace(found, gates=gates)
    return Picture(
        title, f"On average {said}.", draw_saturation(found, inspector.run.name), size_of(found)
    )
