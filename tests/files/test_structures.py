"""Dataclasses come back from JSON as they went, and nothing else does."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from charlm.files.structures import dumps, loads


@dataclass(frozen=True)
class Inner:
    name: str
    at: tuple[int, float]


@dataclass(frozen=True)
class Outer:
    bits: npt.NDArray[np.float64]
    ids: npt.NDArray[np.int64]
    flags: npt.NDArray[np.bool_]
    inner: tuple[Inner, ...]
    named: Mapping[str, Inner]
    value: float
    perhaps: Inner | None = None
    whether: bool = False


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, name), getattr(other, name)) for name in vars(one))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


inners = st.builds(Inner, st.text(), st.tuples(st.integers(-(2**64), 2**64), st.floats()))
shapes = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
outers = st.builds(
    Outer,
    arrays(np.float64, shapes),
    arrays(np.int64, shapes),
    arrays(np.bool_, shapes),
    st.lists(inners, max_size=3).map(tuple),
    st.dictionaries(st.text(), inners, max_size=3),
    st.floats(),
    st.none() | inners,
    st.booleans(),
)


@given(outers)
def test_what_went_comes_back(value: Outer) -> None:
    assert same(value, loads(Outer, dumps(value)))


PLAIN = Outer(
    np.arange(6.0).reshape(2, 3), np.arange(2), np.ones(1, bool), (Inner("a", (1, 2.0)),), {}, 0.5
)


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(dumps(PLAIN)), **values})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        changed(bits=3),
        changed(bits={"dtype": "<f8", "shape": [2**60], "data": ""}),
        changed(bits={"dtype": "<f8", "shape": [-1, 2], "data": "AAAAAAAAAAA="}),
        changed(bits={"dtype": "<f4", "shape": [2], "data": "AAAAAAAAAAA="}),
        changed(bits={"dtype": "|O8", "shape": [1], "data": "AAAAAAAAAAA="}),
        changed(bits={"dtype": "<f8", "shape": [1], "data": "no base64"}),
        changed(value="0.5"),
        changed(value=True),
        changed(value={"float": "some"}),
        changed(whether=1),
        changed(inner=[{"name": "a"}]),
        changed(inner={"name": "a", "at": [1, 2.0]}),
        changed(inner=[{"name": "a", "at": [1, 2.0, 3.0]}]),
        changed(named=[]),
        changed(perhaps="some"),
    ],
)
def test_what_dumps_does_not_write_is_a_value_error(content: str) -> None:
    with pytest.raises(ValueError):
        loads(Outer, content)


def test_a_plain_number_is_a_float_and_nothing_more_is_needed() -> None:
    assert same(loads(Outer, changed(value=2)), Outer(**{**vars(PLAIN), "value": 2.0}))
