"""How `charlm inspect neurons` shows one unit, and how often gates are saturated."""

from typing import TYPE_CHECKING

from charlm.cli import console
from charlm.cli.coloured_text import LONG, coloured, has_colours, with_digits
from charlm.palettes import ACTIVITY

if TYPE_CHECKING:
    from charlm.inspection.saturation import Saturation
    from charlm.inspection.unit_activity import UnitActivity

# A unit's gate that is saturated for at least this share of time.
MOSTLY = 0.9


def extent(read: int, of: int) -> str:
    """On how much of a text a result rests."""
    whole = console.count(of)
    return whole if read == of else f"the first {console.count(read)} of {whole}"


def show_activity(run: str, found: "UnitActivity", whole: bool) -> None:
    """The text coloured by a unit, or with digits below; in a pipe a row for each character."""
    shown = len(found.text) if whole else min(len(found.text), LONG)
    low, high = console.number(found.low, 2), console.number(found.high, 2)
    piped = not console.terminal().is_terminal
    legend = f"0 is {low}, 9 is {high}"
    if has_colours():
        legend = f"blue {low}, white the middle, red {high}"
    console.facts(
        [
            ("run", run),
            ("text", f"{found.corpus} ({found.split})"),
            ("characters read", extent(len(found.text), found.text_characters)),
            ("characters shown", extent(shown, len(found.text))),
            ("unit", f"layer {found.layer}, unit {found.unit}, {found.what}"),
            *([] if piped else [("scale", legend)]),
        ]
    )
    console.gap()
    text = found.text[:shown]
    if piped:
        from charlm.text.vocabulary import printable

        console.records(
            (at, printable(character), f"{value:.4f}")
            for at, (character, value) in enumerate(zip(text, found.values, strict=False), 1)
        )
        return
    console.terminal().print()
    scaled = found.scaled[:shown].tolist()
    if has_colours():
        console.terminal().print(coloured(text, scaled, ACTIVITY))
    else:
        console.terminal().print(with_digits(text, digits(scaled)))


def digits(scaled: list[float]) -> list[float]:
    """Activities from -1 to 1 as numbers from 0 to 10, whose whole parts are shown."""
    return [5 * (each + 1) for each in scaled]


def show_saturation(run: str, found: "Saturation") -> None:
    """How many units are saturated most of the time, for each gate and layer."""
    console.facts(
        [
            ("run", run),
            ("text", f"{found.corpus} ({found.split})"),
            ("characters read", extent(found.characters, found.text_characters)),
        ]
    )
    console.gap()
    console.table(
        ["layer", "gate", "units", "mostly < 0.1", "mostly > 0.9", "near 0 it", "near 1 it"],
        (
            (
                each.layer,
                each.gate,
                len(each.shares),
                *(int((side >= MOSTLY).sum()) for side in each.shares.T),
                each.meaning.near_0,
                each.meaning.near_1,
            )
            for each in found.gates
        ),
        left=["gate"],
        wrap=["near 0 it", "near 1 it"],
    )
    console.say(f"Mostly means at least {MOSTLY:.0%} of the time.")
