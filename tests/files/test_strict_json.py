"""Numbers that JSON lacks never reach a file or a reader."""

import ast
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.files import strict_json
from charlm.scoring.cross_entropy import CrossEntropy

PACKAGE = Path(strict_json.__file__).parent
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def without(value: Any) -> Any:
    """The value as it is to come back: with None for what JSON lacks."""
    if isinstance(value, dict):
        return {name: without(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without(each) for each in value]
    return None if value in (math.inf, -math.inf) or value != value else value


@given(VALUES)
def test_what_is_written_is_json_and_comes_back(value: Any) -> None:
    for text in (strict_json.dumps(value), strict_json.dumps(value, indent=1, ensure_ascii=True)):
        assert json.loads(text, parse_constant=refuse) == without(value)


def test_tuples_are_lists_and_letters_stay() -> None:
    assert strict_json.dumps({"a": (1.5, math.nan)}) == '{"a": [1.5, null]}'
    assert strict_json.dumps("é") == '"é"'


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_there_is_one_writer_of_json(path: Path) -> None:
    if path.stem == "strict_json":
        return
    names = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert not {"json.dump", "json.dumps"} & set(names)


@pytest.mark.parametrize(
    "score", [CrossEntropy(12.5, 7), CrossEntropy(1e6, 2), CrossEntropy(0.0, 0)], ids=str
)
def test_a_score_comes_back_from_a_file(score: CrossEntropy) -> None:
    stored = json.loads(strict_json.dumps(score.to_json()), parse_constant=refuse)
    assert CrossEntropy.from_json(stored) == score


def test_a_score_that_is_none_comes_back_as_none() -> None:
    stored = json.loads(strict_json.dumps(CrossEntropy(math.nan, 3).to_json()))
    assert math.isnan(CrossEntropy.from_json(stored).nats)
