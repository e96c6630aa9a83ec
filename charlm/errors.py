"""What can go wrong by the user's doing: one sentence, and what to do next."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class CharlmError(Exception):
    """Something failed. The command line prints it and exits with `exit_code`.

    Args:
        message: one sentence that names the thing that is wrong.
        hint: one sentence that says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.message = message
        self.hint = hint


class UsageError(CharlmError):
    """An option, argument or name that makes no sense."""

    exit_code = 2


class SettingError(UsageError):
    """A setting out of its range: the field's name, and the rest of the sentence.

    Args:
        others: settings that the rest of the sentence names.
    """

    def __init__(self, setting: str, problem: str, others: Collection[str] = ()) -> None:
        super().__init__(f"{setting} {problem}")
        self.setting = setting
        self.problem = problem
        self.others = others

    def in_options(self) -> str:
        """The sentence for those who write settings as options."""
        problem = self.problem
        for name in self.others:
            problem = re.sub(rf"\b{name}\b", option(name), problem)
        return f"{option(self.setting)} {problem}"


def option(setting: str) -> str:
    """A setting as it is written on the command line."""
    return f"--{setting.replace('_', '-')}"


class CorpusError(CharlmError):
    """A text that cannot be read, fetched or learned from."""


class UnknownCharacterError(CorpusError):
    """A text with characters that the vocabulary lacks."""


class RunError(CharlmError):
    """A run that is missing, damaged or foreign."""


class TrainingError(CharlmError):
    """Training that cannot go on."""


def look_up(registry: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`.

    Raises:
        UsageError: there is none; the message names the nearest ones.
    """
    if name in registry:
        return registry[name]
    raise UsageError(f"There is no {kind} called '{name}'.", suggestion(registry, name))


def suggestion(known: Mapping[str, T], name: str) -> str:
    """A sentence that offers the nearest of the known names, or all of them."""
    near = get_close_matches(name.lower(), known, n=1)
    listing = ", ".join(known)
    return f"Did you mean '{near[0]}'? Known: {listing}." if near else f"Known: {listing}."


@contextmanager
def value_error_as_usage_error() -> Iterator[None]:
    """Turn the ValueError of code that knows nothing of charlm into a UsageError.

    Its arguments are the message and what to do.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(*error.args) from None
