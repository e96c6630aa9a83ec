"""Strict JSON (RFC 8259), for files and for output: infinity and NaN are written as null.

Python's own writer emits `Infinity` and `NaN`, which other readers reject. For reading use
`json.loads`: it accepts both, and older runs contain them.
"""

import json
import math
from typing import Any


def dumps(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """Write a value as JSON; infinity and NaN become null."""
    return json.dumps(finite(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)


def finite(value: Any) -> Any:
    """A copy of the value with every infinite or NaN number replaced by None."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
