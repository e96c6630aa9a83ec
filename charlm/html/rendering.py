"""Jinja templates that escape whatever they are given, also data inside a script."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """The templates in `templates/`. A name that a template is not given is an error."""
    return Environment(
        loader=PackageLoader("charlm.html"),
        autoescape=True,
        undefined=StrictUndefined,
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
