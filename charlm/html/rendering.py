"""Jinja templates that escape whatever they are given, also data inside a script."""

import math
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# What no page should have: control characters but tab and line feed, line and paragraph
# separators, what changes the direction of what follows, and lone surrogates.
STEERING = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@cache
def environment() -> Environment:
    """The templates in `templates/`. A name that a template is not given is an error."""
    made = Environment(
        loader=PackageLoader("charlm.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["figure"] = figure
    return made


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: its file name.
        values: what it says; texts are escaped. In a script, use the filter `tojson`.
    """
    return environment().get_template(template).render(**values)


def visible(text: str) -> str:
    """The text with a replacement character for each that is not shown; the length stays."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def plain(value: Any) -> Any:
    """A text without characters that would steer whoever shows it; mark-up as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def figure(value: str | int | float | None) -> str:
    """A value as people read it: of a number four digits behind the point, of none a dash."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if abs(value) < 1e6 else f"{value:.3g}"
