"""JSON as every reader knows it (RFC 8259), for files and for output alike.

Python's own writer makes `Infinity` and `NaN` of numbers that JSON lacks, and other readers refuse
them. Here they become null. Python's reader, `json.loads`, takes both: older runs still have them.
"""

import json
import math
from typing import Any


def dumps(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """The value as JSON; infinity and NaN become null."""
    return json.dumps(finite(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)


def finite(value: Any) -> Any:
    """The value with None in the place of every number in it that is infinite or NaN."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
