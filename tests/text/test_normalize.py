"""What each normalization leaves of a text."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.text.normalize import NORMALIZATIONS, letters, letters_by_line
from charlm.text.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"

# Letters whose lower case is a-z but which are none: the Kelvin sign, the dotted capital I.
TRICKY = "aZ \n\t'-.7éßKİſ東\N{GRINNING FACE}\r\u2028"
texts = st.one_of(st.text(max_size=60), st.text(TRICKY, max_size=60))


def slow_letters(text: str) -> str:
    """A character at a time."""
    result = ""
    for character in text:
        if character in LETTERS:
            result += character
        elif character in LETTERS.upper():
            result += LETTERS[LETTERS.upper().index(character)]
        elif not result.endswith(" "):
            result += " "
    return result


@settings(deadline=None)
@given(texts)
def test_letters_keeps_letters_and_one_space_for_all_between(text: str) -> None:
    assert letters(text) == slow_letters(text)


@settings(deadline=None)
@given(texts)
def test_letters_by_line_strips_each_line_and_joins_with_nothing(text: str) -> None:
    lines = [slow_letters(line).strip(" ") for line in text.split("\n")]
    assert letters_by_line(text) == "".join(lines)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@settings(deadline=None, max_examples=50)
@given(text=texts)
def test_normalizing_twice_changes_nothing_more(name: str, text: str) -> None:
    once = NORMALIZATIONS[name](text)
    assert NORMALIZATIONS[name](once) == once


@pytest.mark.parametrize("name", ["letters", "letters-by-line"])
@settings(deadline=None, max_examples=50)
@given(text=texts)
def test_nothing_but_letters_and_single_spaces_is_left(name: str, text: str) -> None:
    normalized = NORMALIZATIONS[name](text)
    assert set(normalized) <= set(LETTERS + " ")
    assert "  " not in normalized
    assert normalized.replace(" ", "") == slow_letters(text).replace(" ", "")


@settings(deadline=None, max_examples=50)
@given(texts)
def test_none_loses_nothing_and_lower_only_case(text: str) -> None:
    assert NORMALIZATIONS["none"](text) == text
    assert NORMALIZATIONS["lower"](text) == text.lower()


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("letters", " it s the th time he said"),
        ("letters-by-line", "it s the th timehe said"),
        ("lower", "'it’s the 5th\ttime,\n\nhe said"),
        ("none", "'It’s the 5th\tTime,\n\nhe said"),
    ],
)
def test_an_example_of_each(name: str, normalized: str) -> None:
    assert NORMALIZATIONS[name]("'It’s the 5th\tTime,\n\nhe said") == normalized


@pytest.mark.parametrize(
    ("name", "characters"), [("letters", 173_428), ("letters-by-line", 170_580)]
)
def test_the_time_machine_has_the_size_that_the_book_gives(
    time_machine: Path, name: str, characters: int
) -> None:
    text = NORMALIZATIONS[name](time_machine.read_bytes().decode())
    assert len(text) == characters
    assert len(Vocabulary.build(text)) == 28
    assert text.startswith("the time machine by h g wells")
