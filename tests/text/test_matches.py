"""Matching statistics are those of looking for every piece of a text one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.machine import memory
from charlm.text import matches
from charlm.text.matches import longest_matches, sorted_suffixes

# Two letters that repeat a lot; one beyond 16 bits; one that sorts below what separates texts.
small = st.text("ab", max_size=40) | st.text("ab\N{GRINNING FACE}\x01", max_size=20)


def by_search(text: str, reference: str) -> list[int]:
    lengths = []
    for start in range(len(text)):
        length = 0
        while start + length < len(text) and text[start : start + length + 1] in reference:
            length += 1
        lengths.append(length)
    return lengths


@settings(deadline=None)
@given(st.lists(small, max_size=4), small)
def test_lengths_and_places_are_those_of_a_search(texts: list[str], reference: str) -> None:
    found = longest_matches(texts, reference)
    assert len(found) == len(texts)
    for text, (lengths, places) in zip(texts, found, strict=True):
        assert lengths.tolist() == by_search(text, reference)
        for start, (length, place) in enumerate(zip(lengths, places, strict=True)):
            assert reference[place : place + length] == text[start : start + length]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30))
def test_suffixes_are_in_order(symbols: list[int]) -> None:
    whole = [*symbols, 4]
    order = sorted_suffixes(np.array(whole)).order
    assert order.tolist() == sorted(range(len(whole)), key=lambda start: whole[start:])


@pytest.mark.parametrize("length", [1, 63, 64, 65, 5_000])
def test_one_letter_again_and_again(length: int) -> None:
    """Each round of sorting tells few suffixes apart, and matches are as long as the text."""
    (found,) = longest_matches(["a" * length], "a" * 4_000)
    wanted = np.minimum(np.arange(length, 0, -1), 4_000)
    assert (found.lengths == wanted).all()


def test_a_text_in_itself() -> None:
    text = "In principio erat verbum, در آغاز کلمه بود. " * 50
    (found,) = longest_matches([text], text)
    assert (found.lengths == np.arange(len(text), 0, -1)).all()
    assert found.places[0] == 0


def test_no_match_goes_beyond_the_end_of_a_text() -> None:
    one, other = longest_matches(["ab", "cd"], "abcdab")
    assert one.lengths.tolist() == [2, 1]
    assert other.lengths.tolist() == [2, 1]


def test_progress_ends_with_all_suffixes() -> None:
    told: list[tuple[int, int]] = []
    longest_matches(["banana"], "bandana", lambda *each: told.append(each))
    assert told[-1] == (15, 15)  # and two separators
    assert told == sorted(told)


def test_texts_that_are_too_long_are_refused_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "available_memory", lambda: 1_000)
    with pytest.raises(memory.NotEnoughMemoryError, match="at least 8 kB"):
        longest_matches(["a" * 50], "b" * 50)
