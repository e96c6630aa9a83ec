"""Properties of texts, character by character."""

import numpy as np
import pytest

from charlm.errors import UsageError
from charlm.inspection.properties import LEAST_STRETCHES, Property, text_properties


def values(text: str, name: str, **patterns: str) -> str:
    """The values of a property as digits, one below each character."""
    found = {each.name: each for each in text_properties(text, patterns)}
    return "".join(str(int(each)) for each in found[name].values)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("inside quotes", 'a "b" c', "0011000"),
        ("inside quotes", "a “b (c” d", "0011111000"),
        ("inside quotes", "„a“ «b» c", "110011000"),
        ("inside quotes", "»a« »b« c", "110011000"),
        ("inside quotes", '"a\n\nb "c"', "110000110"),
        ("inside quotes", '"a\n \nb "c"', "1100000110"),
        ("inside quotes", '"a\nb "c"', "11000110"),
        ("inside brackets", "a(b[c]d)e", "011111100"),
        ("inside brackets", "(a]b)c)", "1111000"),
        ("inside brackets", "{a\n\n(b) c", "110011000"),
        ("position in line", "ab\ncd\n", "010120"),
        ("position in word", "ab don't 3c", "12012301012"),
        ("position in word", "سلام می\u200cخواهم", "1234012345678"),
        ("position in sentence", 'Ah. "Oh!" Eh', "010123450123"),
        ("a blank next", "a b\nc", "10100"),
        ("upper case", "aBÉß", "0110"),
        ("vowel", "aeéÖyЯωb", "11110110"),
        ("digit", "a1٣b", "0110"),
        ("just read: a", "aba", "101"),
        ("just read: space", "a a", "010"),
    ],
)
def test_values(name: str, text: str, wanted: str) -> None:
    assert values(text, name) == wanted


def test_matches_of_a_pattern_mark_their_characters() -> None:
    assert values("abcabx", "mine", mine="ab.") == "111111"
    assert values("abcaab", "mine", mine="(?<=c)a*") == "000110"
    assert values("abc", "mine", mine="x*") == "000"


@pytest.mark.parametrize("pattern", ["(", "[a", "a{3,2}", "(?P<n"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="is no regular expression"):
        text_properties("abc", {"mine": pattern})


def test_a_name_is_taken_once() -> None:
    with pytest.raises(UsageError, match="a property 'vowel' already"):
        text_properties("abc", {"vowel": "[aeiou]"})


def problem(pattern: str) -> str:
    array = np.array([int(each) for each in pattern], np.float32)
    return Property("it", array).problem(len(pattern) // 2)


def test_what_a_text_has_not_is_left_out() -> None:
    enough = "01" * LEAST_STRETCHES + "0"
    assert problem(enough + enough) == ""
    assert problem("0" * 80) == "never holds in the text"
    assert problem("1" * 80) == "holds everywhere in the text"
    assert problem(enough + "0" * len(enough)) == "never holds in one half of the text"
    few = "01" * (LEAST_STRETCHES - 1) + "000"
    assert (
        problem(few + enough) == f"begins only {LEAST_STRETCHES - 1} times in one half of the text"
    )


def test_letters_have_no_quotes_lines_or_sentences() -> None:
    text = "the time traveller for so it will be convenient to speak of him " * 100
    left_out = {each.name for each in text_properties(text) if each.problem(len(text) // 2)}
    of_form = {"inside quotes", "inside brackets", "position in line", "position in sentence"}
    assert left_out == {*of_form, "upper case", "digit"}
