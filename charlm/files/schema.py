"""What a JSON value may be, declared as types, and checked before anything believes it."""

from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

LONGEST_QUOTE = 60  # characters of a value that a message quotes

# What a number of a file may be: JSON has no NaN, which is null, and older files have both.
Number = float | None
Scalar = bool | float | str | None
# A number that counts something.
Count = Annotated[int, "at least 0"]


def check(value: Any, kind: Any, name: str = "it") -> None:
    """Raise ValueError unless a value is of a type.

    Args:
        kind: a plain type, a union, a list or dict of these, `Count`, or a TypedDict, whose names
            the value must have, and others than which are not looked at.
        name: what the value is called in the message.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        check(value, arguments[0], name)
    elif origin is Annotated:
        check(value, arguments[0], name)
        fail_unless(value >= 0, value, name)
    elif origin in (Union, UnionType):
        fail_unless(any(suits(value, each) for each in arguments), value, name)
    elif origin is list:
        fail_unless(isinstance(value, list), value, name)
        inner = arguments[0]
        # Most lists are long ones of texts or numbers, all as they should be.
        if all(type(each) is inner for each in value):
            return
        for number, each in enumerate(value):
            check(each, inner, f"{name}[{number}]")
    elif origin is dict or is_typeddict(kind):
        fail_unless(isinstance(value, dict), value, name)
        check_entries(value, kind, name)
    elif kind is not Any:
        fail_unless(is_plain(value, kind), value, name)


def check_entries(value: dict[str, Any], kind: Any, name: str) -> None:
    """`check` for the entries of an object."""
    if not is_typeddict(kind):
        for key, each in value.items():
            check(each, get_args(kind)[1], f"{name}.{key[:LONGEST_QUOTE]}")
        return
    for key, hint in get_type_hints(kind, include_extras=True).items():
        if key in value:
            check(value[key], hint, f"{name}.{key}")
        elif key in kind.__required_keys__:
            raise ValueError(f"{name} has no {key}")


def suits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type."""
    try:
        check(value, kind)
    except ValueError:
        return False
    return True


def is_plain(value: Any, kind: Any) -> bool:
    """Whether a value is of a plain type: an int is also a float, and a bool is no number."""
    if kind is None or kind is NoneType:
        return value is None
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (float, int) if kind is float else kind)


def fail_unless(fits: bool, value: Any, name: str) -> None:
    if not fits:
        raise ValueError(f"{name} cannot be {quoted(value)}")


def quoted(value: Any) -> str:
    """A value as a message quotes it: escaped, and only its beginning if it is long."""
    if isinstance(value, str):
        value = value[: LONGEST_QUOTE + 1]  # so that nothing long is made
    elif isinstance(value, list | dict | tuple) and len(value) > LONGEST_QUOTE:
        return f"one of {len(value):,} entries"
    elif isinstance(value, int) and value.bit_length() > 256:
        return "so large a number"
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shown if len(shown) <= LONGEST_QUOTE + 2 else f"{shown[:LONGEST_QUOTE]}…"
