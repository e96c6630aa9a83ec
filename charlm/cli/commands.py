"""Typer commands that notice when an option lacks its value."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from charlm.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command that refuses an option as the value of the option before it.

    Click would read `--prefix --json` as the prefix "--json".
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = {
            name: each
            for each in self.get_params(ctx)
            if each.param_type_name == "option"
            for name in (*each.opts, *each.secondary_opts)
        }
        for name, value in pairwise(args):
            if name in options and value in options and not getattr(options[name], "is_flag", True):
                raise UsageError(
                    f"{name} needs a value; {value} after it is an option.",
                    f"If it is the value, write {name}={value}.",
                )
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """A Typer app whose commands are of the class `Command`."""

    def command(self, name: str | None = None, **about: Any) -> Callable[[Function], Function]:
        return super().command(name, cls=Command, **about)
