"""Rows of `metrics.jsonl`, one for each evaluation."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

# What the entries of a row are; all others are numbers, or null where one is not finite.
TYPES: dict[str, tuple[type, ...]] = {"best": (bool,), "weights": (str,)}
NUMBER = (int, float, NoneType)


def usable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without entries that are not of their type, which a newer charlm may have written."""
    return {name: each for name, each in row.items() if type(each) in TYPES.get(name, NUMBER)}
