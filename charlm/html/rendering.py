"""Jinja templates that escape whatever they are given, also data inside a script."""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# What could mislead a reader or upset a page: controls but line feed and tab, changes of direction,
# line and paragraph separators, lone surrogates.
STEERING = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with a replacement character for each that is not shown; the length stays."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def shown(value: Any) -> Any:
    """What a template shows of a value; markup, which is charlm's own, stays."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def environment() -> Environment:
    """The templates in `templates/`. A name that a template is not given is an error."""
    return Environment(
        loader=PackageLoader("charlm.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: its file name.
        values: what it says; texts are escaped. In a script, use the filter `tojson`.
    """
    return environment().get_template(template).render(**values)
