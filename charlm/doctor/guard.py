"""Questions that may fail: the answer is then that it is unknown, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Unknown:
    """What could not be found out.

    Args:
        why: the error, in its own words.
    """

    why: str

    def __str__(self) -> str:
        return f"unknown ({self.why})"


def known(ask: Callable[[], T]) -> T | Unknown:
    """What a function returns, or an Unknown if it raises."""
    try:
        return ask()
    except Exception as error:  # Whatever a system does, the others are still to be asked.
        return Unknown(said(error))


def said(error: BaseException) -> str:
    """An error in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def at(facts: Any, *path: str) -> Any:
    """What is known at a place within facts; None where nothing is."""
    for name in path:
        facts = facts.get(name) if isinstance(facts, Mapping) else None
    return None if isinstance(facts, Unknown) else facts


def number_at(facts: Any, *path: str) -> float | None:
    """A number at a place within facts; None where there is none."""
    found = at(facts, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def plain(facts: Any) -> Any:
    """Facts as JSON can hold them."""
    if isinstance(facts, Unknown):
        return {"unknown": facts.why}
    if isinstance(facts, Mapping):
        return {str(name): plain(each) for name, each in facts.items()}
    if isinstance(facts, list | tuple):
        return [plain(each) for each in facts]
    return facts if facts is None or isinstance(facts, bool | int | float | str) else str(facts)
