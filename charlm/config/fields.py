"""Dataclass fields that carry their help and range, and the base class that checks them."""

import math
import operator
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Self, get_args, get_origin

from charlm.errors import SettingError
from charlm.files.schema import quoted


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    several: bool = False,
    identity: bool = False,
    path: bool = False,
) -> Any:
    """A dataclass field that carries its help and its range, which `Config` checks.

    Args:
        minimum, maximum: inclusive bounds.
        above, below: exclusive bounds.
        several: the command-line option may be given more than once.
        identity: weights trained with one value cannot be used with another.
        path: the value is the path of a file.
    """
    ranges = {"minimum": minimum, "above": above, "maximum": maximum, "below": below}
    metadata = {"help": help, "choices": choices, "several": several, "identity": identity}
    metadata |= {"path": path, **ranges}
    return field(default=default, metadata=metadata)


class UnknownSettingError(SettingError):
    """A setting that this version does not know, as a newer one may have written."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting, "is a setting that this version of charlm does not know.")


@dataclass(frozen=True)
class Config:
    """Base class of settings; a value of the wrong type or out of range raises SettingError."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.metadata:
                check(each.name, each.type, getattr(self, each.name), each.metadata)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all settings."""
        return tuple(each.name for each in fields(cls))

    @classmethod
    def identity(cls) -> tuple[str, ...]:
        """Names of the settings that must be equal for two models to share weights."""
        return tuple(each.name for each in fields(cls) if each.metadata.get("identity"))

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Names of the settings that are paths of files."""
        return tuple(each.name for each in fields(cls) if each.metadata.get("path"))

    def to_json(self) -> dict[str, Any]:
        """Values by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            SettingError: a name is unknown to this version, or a value is out of range.
        """
        for name in values:
            if name not in cls.names():
                raise UnknownSettingError(name)
        return cls(**values)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a field's type.

    Unlike with `isinstance`, an int is also a float, a bool is not a number, and for a generic type
    such as dict[str, Any] only the dict itself is checked.
    """
    if isinstance(kind, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    plain = get_origin(kind) or kind
    if isinstance(value, bool):
        return plain is bool
    return isinstance(value, plain | int if plain is float else plain)


def check(name: str, kind: Any, value: Any, metadata: Any) -> None:
    """Raise SettingError unless `value` is of type `kind` and within the ranges of `metadata`."""
    if not fits(value, kind):
        raise SettingError(name, f"cannot be {quoted(value)}.")
    choices = metadata["choices"]
    if choices and value not in choices:
        raise SettingError(name, f"must be {' or '.join(choices)}, not {quoted(value)}.")
    if kind is bool or not isinstance(value, int | float):
        return
    bounds = {
        "at least": (metadata["minimum"], operator.ge),
        "above": (metadata["above"], operator.gt),
        "at most": (metadata["maximum"], operator.le),
        "below": (metadata["below"], operator.lt),
    }
    limits = {words: (limit, test) for words, (limit, test) in bounds.items() if limit is not None}
    infinite = isinstance(value, float) and not math.isfinite(value)
    within = all(test(value, limit) for limit, test in limits.values())
    if infinite or not within:
        wanted = [f"{words} {limit}" for words, (limit, _) in limits.items()]
        wanted += ["finite"] if within else []
        raise SettingError(name, f"must be {' and '.join(wanted)}, not {quoted(value)}.")
