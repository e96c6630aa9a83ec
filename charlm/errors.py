"""Errors that the user can do something about: what is wrong, and what to do."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


# Characters that could control a terminal or a log, or that no encoding has: controls but tab and
# line feed, what changes the direction of what follows, halves of surrogate pairs.
STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


LONGEST = 1000  # characters of a message


def spelled_out(text: str) -> str:
    """The text with such characters as escapes, such as \\x1b: a message may quote a file."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def shortened(message: str) -> str:
    """A message without its middle, if it quotes so much that nobody would read it."""
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"


class CharlmError(Exception):
    """Base class of all errors; the command line prints one and exits with `exit_code`.

    Args:
        message: one sentence that names the thing that is wrong.
        hint: one sentence that says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = shortened(spelled_out(message)), spelled_out(hint)
        super().__init__(self.message if not hint else f"{self.message} {self.hint}")


class UsageError(CharlmError):
    """An option, argument or name that makes no sense."""

    exit_code = 2


class SettingError(UsageError):
    """A setting that is unknown, out of range, or does not fit the others.

    Args:
        setting: the field's name, with which the message begins.
        problem: the rest of the sentence.
        others: other settings that `problem` names.
    """

    def __init__(self, setting: str, problem: str, others: Collection[str] = ()) -> None:
        super().__init__(f"{setting} {problem}")
        self.setting = setting
        self.problem = spelled_out(problem)
        self.others = others

    def in_options(self) -> str:
        """The message with settings written as command-line options."""
        problem = self.problem
        for name in self.others:
            problem = re.sub(rf"\b{name}\b", option(name), problem)
        return f"{option(self.setting)} {problem}"


def option(setting: str) -> str:
    """A setting's name as a command-line option."""
    return f"--{setting.replace('_', '-')}"


class CorpusError(CharlmError):
    """A text that cannot be read, fetched or learned from."""


class UnknownCharacterError(CorpusError):
    """A text with characters that the vocabulary lacks."""


class RunError(CharlmError):
    """A run that is missing, damaged, of another kind than expected, or cannot be written."""


class TrainingError(CharlmError):
    """Training that cannot go on."""


def look_up(registry: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`.

    Args:
        kind: what the entries are, for the message.

    Raises:
        UsageError: there is none; the hint suggests a similar name.
    """
    if name in registry:
        return registry[name]
    raise UsageError(f"There is no {kind} called '{name}'.", suggestion(registry, name))


def suggestion(known: Mapping[str, T], name: str) -> str:
    """A sentence that lists the known names, after the most similar one if there is any."""
    near = get_close_matches(name.lower(), known, n=1)
    listing = ", ".join(known)
    return f"Did you mean '{near[0]}'? Known: {listing}." if near else f"Known: {listing}."


@contextmanager
def value_error_as_usage_error() -> Iterator[None]:
    """Turn a ValueError within the block into a UsageError.

    It is for code that does not import charlm; the arguments of its ValueError are the message and
    the hint.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(*error.args) from None
