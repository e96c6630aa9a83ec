"""Characters and ids: a map that loses nothing, for every character that Unicode has."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import UnknownCharacterError, UsageError
from charlm.text.tokens import DOCUMENT
from charlm.text.vocabulary import (
    POLICIES,
    SURROGATE,
    UNKNOWN,
    UNKNOWN_ID,
    Vocabulary,
    printable,
)

SHAKESPEARE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tinyshakespeare.txt"

CHINESE = "道可道，非常道。名可名，非常名。"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f"  # emoji, joined and with a variation
COMBINING = "e\u0301 and \u00e9, \u0915\u094d\u0937"
ASTRAL = "\U00010348\U0001d54f\U0010ffff"
SURROGATES = "\ud83d\ude00 \udfff\ud801"  # a pair that is not joined, and two out of order
ODD_TEXTS = [CHINESE, FAMILY, COMBINING, ASTRAL, SURROGATES, "\0\r\n\t \x85\u2028\ufeff\ufffd"]

# All of Unicode, lone surrogates too, but for the one that is no character here.
any_text = st.one_of(
    st.text(st.characters(exclude_characters=DOCUMENT), max_size=40),
    st.text("".join(ODD_TEXTS), max_size=40),
    st.text("aab ", max_size=40),
)


def slow_order(text: str, min_count: int = 1) -> list[str]:
    """Characters that stand at least so often, most frequent first, ties by code point."""
    kept = [(count, ord(character)) for character, count in Counter(text).items()]
    kept = [(-count, point) for count, point in kept if count >= min_count]
    return [chr(point) for _, point in sorted(kept)]


@settings(deadline=None)
@given(any_text, st.integers(1, 4))
def test_ids_run_by_frequency_and_ties_by_code_point(text: str, min_count: int) -> None:
    vocabulary = Vocabulary.build(text, min_count)
    counts = Counter(text)
    assert list(vocabulary.entries) == slow_order(text, min_count)
    assert list(vocabulary.counts) == [counts[each] for each in vocabulary.entries]
    assert vocabulary.unknown_count + sum(vocabulary.counts) == len(text)
    assert len(vocabulary) == len(vocabulary.entries) + 1


def test_an_example_by_hand() -> None:
    vocabulary = Vocabulary.build("abbccd东", min_count=1)
    assert vocabulary.entries == ("b", "c", "a", "d", "东")
    assert vocabulary.counts == (2, 2, 1, 1, 1)
    assert vocabulary.encode("东bad").tolist() == [5, 1, 3, 4]
    rare = Vocabulary.build("abbccd东", min_count=2)
    assert (rare.entries, rare.unknown_count) == (("b", "c"), 3)


@settings(deadline=None)
@given(any_text)
def test_encoding_and_decoding_round_trip(text: str) -> None:
    vocabulary = Vocabulary.build(text)
    ids = vocabulary.encode(text)
    order = slow_order(text)
    assert ids.tolist() == [order.index(character) + 1 for character in text]
    assert vocabulary.decode(ids) == text


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_characters_round_trip_one_code_point_an_id(text: str) -> None:
    vocabulary = Vocabulary.build("some plain text" + text)
    ids = vocabulary.encode(text)
    assert len(ids) == len(text)
    assert vocabulary.decode(ids) == text
    assert all(character in vocabulary for character in text)


def test_the_id_of_unknown_is_zero_and_no_character_has_it() -> None:
    vocabulary = Vocabulary.build("abc")
    assert UNKNOWN_ID == 0
    assert UNKNOWN not in vocabulary
    assert vocabulary.encode("azc", unknown="replace").tolist() == [1, 0, 3]
    assert vocabulary.decode([1, 0, 3]) == "a\N{REPLACEMENT CHARACTER}c"
    assert 0 not in vocabulary.encode("cab")


@settings(deadline=None)
@given(any_text, any_text)
def test_policies_for_unknown_characters(seen: str, text: str) -> None:
    vocabulary = Vocabulary.build(seen)
    missing = Counter(character for character in text if character not in seen)
    assert vocabulary.unknown(text) == missing
    assert list(vocabulary.unknown(text)) == slow_order("".join(missing.elements()))

    order = slow_order(seen)
    replaced = [order.index(each) + 1 if each in seen else 0 for each in text]
    assert vocabulary.encode(text, unknown="replace").tolist() == replaced
    assert vocabulary.encode(text, unknown="skip").tolist() == [each for each in replaced if each]
    if missing:
        with pytest.raises(UnknownCharacterError):
            vocabulary.encode(text)
    else:
        assert vocabulary.encode(text).tolist() == replaced


@pytest.mark.parametrize("policy", POLICIES)
def test_neighbours_of_known_characters_are_unknown(policy: str) -> None:
    """The last known code point, and all that are higher, lower or between."""
    vocabulary = Vocabulary.build("bdf")
    for character in ("a", "c", "e", "g", "\0", chr(sys.maxunicode), "\ud800"):
        assert character not in vocabulary
        if policy == "error":
            with pytest.raises(UnknownCharacterError):
                vocabulary.encode("b" + character, policy)
        else:
            expected = [1, 0] if policy == "replace" else [1]
            assert vocabulary.encode("b" + character, policy).tolist() == expected


def test_unknown_characters_are_named_most_frequent_first() -> None:
    with pytest.raises(UnknownCharacterError) as refusal:
        Vocabulary.build("abc").encode("a\n b东\u200d\ncc\u0301\n")
    assert refusal.value.message == r"The vocabulary lacks '\n', 'space', 'U+0301', 'U+200D', '东'."
    assert "--unknown replace" in refusal.value.hint
    assert "--unknown skip" in refusal.value.hint


def test_of_many_unknown_characters_twelve_are_named() -> None:
    with pytest.raises(UnknownCharacterError) as refusal:
        Vocabulary.build("01").encode("0abcdefghijklmnopqrstuvwxyz1")
    assert "'l' and 14 more." in refusal.value.message
    assert "'m'" not in refusal.value.message


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("a", "a"),
        ("东", "东"),
        ("'", "'"),
        (" ", "space"),
        ("\n", r"\n"),
        ("\t", r"\t"),
        ("\r", r"\r"),
        ("\0", "U+0000"),
        ("\x1b", "U+001B"),
        ("\xa0", "U+00A0"),
        ("\u0301", "U+0301"),
        ("\ufe0f", "U+FE0F"),
        ("\u200d", "U+200D"),
        ("\ud801", "U+D801"),
        (DOCUMENT, "<doc>"),
        (" time", "·time"),
        ("a\nb", "'a\\nb'"),
        ("\U0010ffff", "U+10FFFF"),
        ("\N{GRINNING FACE}", "\N{GRINNING FACE}"),
        (UNKNOWN, UNKNOWN),
    ],
    ids=ascii,
)
def test_a_character_is_shown_so_that_a_reader_can_tell_it(character: str, shown: str) -> None:
    assert printable(character) == shown


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"'ignore'.*Known: error, replace, skip"):
        Vocabulary.build("a").encode("a", unknown="ignore")


@pytest.mark.parametrize(
    ("entries", "dtype"),
    [
        (2, np.uint8),
        (255, np.uint8),
        (256, np.uint8),  # the last id is 255
        (257, np.uint16),
        (65_535, np.uint16),
        (65_536, np.uint16),
        (65_537, np.uint32),
    ],
)
def test_ids_have_the_narrowest_type_that_holds_the_last(entries: int, dtype: type) -> None:
    characters = [chr(point) for point in range(40, 40 + entries - 1)]
    vocabulary = Vocabulary(characters, [1] * len(characters))
    assert len(vocabulary) == entries
    ids = vocabulary.encode(characters[-1] + characters[0])
    assert ids.tolist() == [entries - 1, 1]
    assert vocabulary.decode(ids) == characters[-1] + characters[0]
    assert ids.dtype == dtype


def test_an_empty_text_has_an_empty_vocabulary() -> None:
    vocabulary = Vocabulary.build("")
    assert len(vocabulary) == 1
    assert len(vocabulary.encode("")) == 0
    assert vocabulary.decode([]) == ""
    assert vocabulary.encode("ab", unknown="replace").tolist() == [0, 0]


@settings(deadline=None)
@given(any_text.map(lambda text: SURROGATE.sub("x", text)), st.integers(1, 3))
def test_a_vocabulary_survives_a_file(text: str, min_count: int) -> None:
    vocabulary = Vocabulary.build(text, min_count)
    content = vocabulary.to_json()
    assert content.isascii()
    again = Vocabulary.from_json(content)
    assert again == vocabulary
    assert hash(again) == hash(vocabulary)
    assert again.entries == vocabulary.entries
    assert again.counts == vocabulary.counts
    assert again.unknown_count == vocabulary.unknown_count
    assert again.encode(text, unknown="replace").tolist() == (
        vocabulary.encode(text, unknown="replace").tolist()
    )


def test_vocabularies_are_equal_where_their_ids_are() -> None:
    assert Vocabulary.build("aab") == Vocabulary.build("aaab")
    assert Vocabulary.build("aab") != Vocabulary.build("abb")
    assert Vocabulary.build("a") != "a"


def test_the_file_is_plain_json() -> None:
    assert json.loads(Vocabulary.build("aab\n", 2).to_json()) == {
        "characters": ["a"],
        "counts": [2],
        "unknown_count": 2,
    }


def test_a_file_that_was_cut_off_is_damaged() -> None:
    content = Vocabulary.build("ab\N{GRINNING FACE}").to_json()
    for length in range(len(content)):
        with pytest.raises(ValueError):
            Vocabulary.from_json(content[:length])


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "[]",
        "3",
        '"ab"',
        "{}",
        '{"characters": ["a"], "counts": [1]}',
        '{"characters": ["a"], "unknown_count": 0}',
        '{"counts": [1], "unknown_count": 0}',
        '{"characters": ["a", "b"], "counts": [1], "unknown_count": 0}',
        '{"characters": ["a"], "counts": [1, 2], "unknown_count": 0}',
        '{"characters": ["a", "a"], "counts": [1, 2], "unknown_count": 0}',
        '{"characters": null, "counts": [], "unknown_count": 0}',
        '{"characters": [["a"]], "counts": [1], "unknown_count": 0}',
        '{"characters": ["ab"], "counts": [1], "unknown_count": 0}',
        '{"characters": [""], "counts": [1], "unknown_count": 0}',
        '{"characters": [97], "counts": [1], "unknown_count": 0}',
        '{"characters": [null], "counts": [1], "unknown_count": 0}',
        '{"characters": ["a"], "counts": 1, "unknown_count": 0}',
        '{"characters": ["a"], "counts": ["1"], "unknown_count": 0}',
    ],
)
def test_a_file_that_is_no_vocabulary_is_damaged(content: str) -> None:
    with pytest.raises(ValueError):
        Vocabulary.from_json(content)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="Tiny Shakespeare is not at hand")
def test_the_65_characters_of_tiny_shakespeare() -> None:
    text = SHAKESPEARE.read_bytes().decode()
    vocabulary = Vocabulary.build(text)
    assert len(vocabulary) == 66
    assert vocabulary.entries[:2] == (" ", "e")
    assert set(vocabulary.entries) == set(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.uint8
    assert np.bincount(ids).tolist() == [0, *vocabulary.counts]
    assert vocabulary.decode(ids[:10_000]) == text[:10_000]
