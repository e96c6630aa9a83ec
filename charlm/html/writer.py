"""A page on which a model writes: its weights, and a script that computes with them."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from charlm.html.page import policy
from charlm.html.rendering import render
from charlm.sections import Folded, Section
from charlm.version import __version__

# The parts of its script, in order.
SCRIPTS = ("weights", "cells", "model", "text", "page")


def writer_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section | Folded],
    prefix: str,
    about: Mapping[str, Any],
    weights: str,
) -> str:
    """An HTML page in one file, whose policy forbids the network.

    Args:
        subtitle: a sentence or two below the title.
        sections: what there is to say of the model.
        prefix: what stands in the text box at first.
        about: what the scripts in `templates/writer` need to know of the model, as JSON.
        weights: its numbers, in base64.
    """
    script = "\n".join(render(f"writer/{name}.js") for name in SCRIPTS)
    style = render("page.css", scales=[]) + render("writer/page.css")
    return render(
        "writer/page.html",
        title=title,
        subtitle=subtitle,
        sections=sections,
        prefix=prefix,
        about=about,
        weights=weights,
        policy=policy(script, style),
        # Both are charlm's own, made of nothing that comes from a text.
        script=Markup(script),
        style=Markup(style),
        version=__version__,
    )
