"""Frozen dataclasses as JSON and back: numbers, texts, arrays, and dataclasses of these."""

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from charlm.files import strict_json
from charlm.files.schema import quoted

T = TypeVar("T")
# What an array may hold: truth values and numbers.
KINDS = "biuf"


def dumps(value: Any) -> str:
    """A dataclass as JSON text, exactly: `loads` gives an equal one, its arrays to the last bit."""
    return strict_json.dumps(tree_of(value))


def tree_of(value: Any) -> Any:
    """What JSON can hold of a value."""
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        data = data.astype(data.dtype.newbyteorder("<"), copy=False)
        encoded = base64.b64encode(data.tobytes()).decode()
        return {"dtype": data.dtype.str, "shape": list(data.shape), "data": encoded}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if is_dataclass(value):
        return {each.name: tree_of(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: tree_of(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [tree_of(each) for each in value]
    return value


def loads(kind: type[T], content: str) -> T:
    """The inverse of `dumps`.

    Args:
        kind: the dataclass; the types of its fields are believed, not the content.

    Raises:
        ValueError: the content is not what `dumps` writes of this kind.
    """
    try:
        return cast("T", value_of(kind, strict_json.loads(content)))
    except (KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise ValueError(f"no {kind.__name__} ({error})") from None


def value_of(kind: Any, tree: Any) -> Any:
    """The value of a type that a tree stands for.

    Raises:
        KeyError, TypeError, ValueError: it stands for none.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if tree is None and NoneType in arguments:
            return None
        (only,) = (each for each in arguments if each is not NoneType)
        return value_of(only, tree)
    if origin is np.ndarray or kind is np.ndarray:
        return array_of(tree, np.dtype(get_args(arguments[1])[0]))
    if origin is tuple:
        return tuple_of(kind, tree)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: value_of(arguments[1], each) for name, each in tree.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        values = {name: value_of(hint, tree[name]) for name, hint in hints.items()}
        return cast("Any", kind)(**values)
    if kind is float and isinstance(tree, Mapping):
        return float(tree["float"])
    if kind is float and isinstance(tree, int) and not isinstance(tree, bool):
        return float(tree)
    if kind not in (bool, int, float, str) or type(tree) is not kind:
        raise TypeError(f"{kind} cannot be {str(tree)[:40]!r}")
    return tree


def tuple_of(kind: Any, tree: Any) -> tuple[Any, ...]:
    """A tuple of one type, or of a type for each place."""
    if not isinstance(tree, list):
        raise TypeError(f"{kind} cannot be {str(tree)[:40]!r}")
    arguments = get_args(kind)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(value_of(arguments[0], each) for each in tree)
    return tuple(value_of(hint, each) for hint, each in zip(arguments, tree, strict=True))


def array_of(tree: Mapping[str, Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array, which must be of the type that is expected."""
    shape = tree["shape"]
    if dtype.kind not in KINDS or tree["dtype"] != dtype.newbyteorder("<").str:
        raise TypeError(f"an array of {dtype} cannot be one of {quoted(tree['dtype'])}")
    if not isinstance(shape, list) or not all(
        isinstance(each, int) and each >= 0 for each in shape
    ):
        raise ValueError(f"no array has the shape {shape}")
    flat = np.frombuffer(base64.b64decode(tree["data"], validate=True), dtype.newbyteorder("<"))
    return flat.reshape(shape).astype(dtype, copy=False)
