"""Strict JSON (RFC 8259), for files and for output: infinity and NaN are written as null.

Python's own writer emits `Infinity` and `NaN`, which other readers reject. `loads` accepts both,
since older runs contain them, and believes nothing else that charlm does not write.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

# How many objects and lists may lie within one another. Python's own limit depends on where it is
# called, and what can be read at that depth could not be written again.
DEEPEST = 32
# Objects and lists of a document: each takes 60 bytes and more, where its brackets take two.
MOST_CONTAINERS = 2_000_000
# Values of a document, by its commas: each takes 60 bytes or so.
MOST_VALUES = 8_000_000
# Whole numbers are below 10^19 or so, and seeds below 2^64: others could be no array's.
LARGEST = 2**64
MOST_DIGITS = 20
# Characters that stand in strings only: JSON escapes those below a blank by itself.
UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def dumps(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """Write a value as JSON; infinity and NaN become null.

    What a terminal would take for commands, and half of a surrogate pair, which no encoding has,
    stand as escapes: to readers they are the same.
    """
    text = json.dumps(finite(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def finite(value: Any) -> Any:
    """A copy of the value with every infinite or NaN number replaced by None."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def loads(content: str) -> Any:
    """Read JSON that a stranger may have written.

    Raises:
        ValueError: it is no JSON, an object has a key twice, it is too deep or too much, or a whole
            number is beyond 2^64.
    """
    brackets = content.count("[") + content.count("{")
    if brackets > MOST_CONTAINERS:
        raise ValueError(f"more than {MOST_CONTAINERS:,} lists and objects")
    if content.count(",") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")
    try:
        value = json.loads(content, object_pairs_hook=without_repeats, parse_int=small_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if brackets > DEEPEST:
        check_depth(value)
    return value


def without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these keys and values; ValueError if a key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def small_integer(digits: str) -> int:
    """A whole number; ValueError beyond 2^64."""
    # Long ones are refused before they are read, which takes time.
    if len(digits) > MOST_DIGITS + 1 or abs(number := int(digits)) > LARGEST:
        raise ValueError(f"a whole number of {len(digits):,} digits is too large")
    return number


def check_depth(value: Any) -> None:
    """Raise ValueError if lists and objects lie too deep within one another."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
