"""Coloured texts for a page: compact data, from which a script makes what is seen."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from charlm.html.rendering import visible
from charlm.palettes import SHARE
from charlm.sections import ColouredText

# A step as one character; a dot stands for none.
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def view_of(part: ColouredText) -> dict[str, Any]:
    """What the template `coloured_text.html` is given."""
    data: dict[str, Any] = {
        "text": visible(part.text),
        "scale": part.scale.name,
        "steps": "".join(digit(part, each) for each in part.values),
        "values": [None if each is None else round(100 * each) for each in part.values],
        "unit": part.unit,
        "missing": part.missing,
    }
    if part.likeliest is not None:
        data |= compact(part.likeliest)
    if part.earlier is not None:
        data["scale"], data["lags"] = SHARE.name, max(map(len, part.earlier))
        data["earlier"] = "".join(
            "".join(DIGITS[SHARE.step(each)] for each in row).ljust(data["lags"], "0")
            for row in part.earlier
        )
    return {"title": part.title, "data": data, "stretches": list(stretches(part))}


def digit(part: ColouredText, value: float | None) -> str:
    """The step of a value on the part's scale, as one character."""
    return "." if value is None or part.earlier is not None else DIGITS[part.scale.step(value)]


def compact(likeliest: Any) -> dict[str, Any]:
    """Others and their probabilities, as numbers: of a list of names, and in thousandths."""
    names: dict[str, int] = {}
    rows = [[(names.setdefault(name, len(names)), p) for name, p in row] for row in likeliest]
    return {
        "names": [visible(each) for each in names],
        "likeliest": [[number for number, _ in row] for row in rows],
        "thousandths": [[round(1000 * p) for _, p in row] for row in rows],
    }


def stretches(part: ColouredText) -> Iterator[tuple[bool, str]]:
    """The text in stretches, and whether each stands out."""
    marked = [
        part.prominent is not None and each is not None and each >= part.prominent
        for each in part.values
    ]
    pairs = zip(marked, part.text, strict=True)
    for mark, group in groupby(pairs, key=lambda pair: pair[0]):
        yield mark, "".join(character for _, character in group)
