"""TOML is read back as it was written, by Python's own reader; keys are found in their lines."""

import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charlm.files.toml import dumps, line_of

# All that UTF-8 can hold: no unpaired surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text("\\'\"\n\r\t\0\x7f #=[]")
)
VALUES = SCALARS | st.lists(TEXTS)


def alike(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)


@given(st.dictionaries(TEXTS, VALUES))
@example({"path": r"C:\books\été.txt", "quote": 'say "so"', "both": "'\"\\", "lines": "a\r\nb\n"})
@example({"": "", "a.b": ["x", ""], "persian": "کتاب\u200cها", "control": "\x00\x1b\x85\u2028"})
@example({"float": 1e22, "small": 5e-324, "minus": -0.0, "many": ["long " * 30, "text"]})
def test_it_is_read_as_it_was_written(values: dict[str, Any]) -> None:
    read = tomllib.loads(dumps(values))
    assert list(read) == list(values)
    assert all(alike(read[key], values[key]) for key in values)


def test_numbers_beyond_all_bounds_are_written_too() -> None:
    read = tomllib.loads(dumps({"inf": float("inf"), "minus": float("-inf"), "nan": float("nan")}))
    assert str(read) == "{'inf': inf, 'minus': -inf, 'nan': nan}"


@pytest.mark.parametrize("value", ["\ud800", ["a", "\udcff"]])
def test_an_unpaired_surrogate_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        dumps({"text": value})


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"nothing": None})


KEYS = st.text("abcdef_-", min_size=1, max_size=6)


@given(st.dictionaries(KEYS, VALUES, min_size=1), st.lists(st.integers(0, 2)), st.booleans())
def test_every_key_is_found_in_its_line(
    values: dict[str, Any], gaps: list[int], windows: bool
) -> None:
    """Blank lines and comments in between, in which keys stand too."""
    content, where = "", {}
    for number, (key, value) in enumerate(values.items()):
        for _ in range(gaps[number] if number < len(gaps) else 0):
            content += f"# {key} = 1\n\n"
        where[key] = content.count("\n") + 1
        content += dumps({key: value})
    if windows:
        content = content.replace("\n", "\r\n")
    assert {key: line_of(content, key) for key in values} == where


def test_a_key_within_a_string_of_several_lines_is_none() -> None:
    content = 'text = """\ncell = 1\n"""\nmany = [\n"""\ncell = 2\n""",\n]\n"cell" = 3\n'
    assert tomllib.loads(content)["cell"] == 3
    assert line_of(content, "cell") == 9
    assert line_of(content, "text") == 1
    assert line_of(content, "nothing") is None


@pytest.mark.parametrize("content", ["a = 1\n[cell]\nb = 1\n", "a = 1\n  cell . b = 1\n"])
def test_a_table_is_found_by_its_name(content: str) -> None:
    assert "cell" in tomllib.loads(content)
    assert line_of(content, "cell") == 2
