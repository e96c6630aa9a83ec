"""A page in one file: nothing is fetched, nothing runs but its own script."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from markupsafe import Markup

from charlm.html.coloured_text import view_of
from charlm.html.rendering import render
from charlm.palettes import SCALES, ink
from charlm.sections import (
    Chapter,
    ColouredText,
    Facts,
    Folded,
    Grid,
    Heading,
    Part,
    Picture,
    Prose,
)
from charlm.version import __version__

# Makes a picture into the bytes of a PNG file, for a theme: "light" or "dark".
Painter = Callable[[Picture, str], bytes]

# Of a picture's inches, on the page.
PIXELS_AN_INCH = 100


def page(title: str, subtitle: str, chapters: Sequence[Chapter], paint: Painter) -> str:
    """An HTML page that can be mailed.

    It is read without its script, which colours texts character by character, and its policy
    forbids the network.

    Args:
        subtitle: a sentence below the title.
        paint: makes the pictures.
    """
    script = render("page.js")
    scales = [
        {"name": each.name, "colours": [(colour, ink(colour)) for colour in each.colours]}
        for each in SCALES
    ]
    style = render("page.css", scales=scales)
    return render(
        "page.html",
        title=title,
        subtitle=subtitle,
        chapters=[
            {"title": each.title, "parts": list(all_as_values(each.parts, paint))}
            for each in chapters
        ],
        policy=policy(script, style),
        # Both are charlm's own, made of nothing that comes from a text.
        script=Markup(script),
        style=Markup(style),
        version=__version__,
    )


def policy(script: str, style: str) -> str:
    """The Content-Security-Policy: this script and this style by their hashes, pictures inside."""
    return (
        f"default-src 'none'; img-src data:; script-src '{digest(script)}'; "
        f"style-src '{digest(style)}'; base-uri 'none'; form-action 'none'"
    )


def digest(content: str) -> str:
    """The hash of a script or style, as a policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def all_as_values(parts: Sequence[Part], paint: Painter) -> Iterator[dict[str, Any]]:
    """What the template is given for the parts of a chapter; a scale is explained once."""
    explained: set[str] = set()
    for part in parts:
        values = as_values(part, paint)
        if isinstance(part, ColouredText) and part.scale.name not in explained:
            explained.add(part.scale.name)
            values["legend"] = part.scale
        yield values


def as_values(part: Part, paint: Painter) -> dict[str, Any]:
    """What the template `sections.html` is given for a part."""
    if isinstance(part, str | Facts | Grid):
        return {"kind": "section", "section": part}
    if isinstance(part, Heading):
        return {"kind": "heading", "text": part.text}
    if isinstance(part, Picture):
        width, height = (round(PIXELS_AN_INCH * each) for each in part.inches)
        files = {theme: as_uri(paint(part, theme)) for theme in ("light", "dark")}
        about = {"title": part.title, "alternative": part.alternative}
        return {"kind": "picture", **about, **files, "width": width, "height": height}
    if isinstance(part, Prose):
        return {"kind": "prose", "title": part.title, "text": part.text}
    if isinstance(part, Folded):
        return {"kind": "folded", "title": part.title, "section": part.content}
    return {"kind": "coloured", "view": view_of(part), "legend": None}


def as_uri(png: bytes) -> str:
    """A picture as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
