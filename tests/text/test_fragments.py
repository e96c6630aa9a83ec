"""Prefixes and stop strings, read as a run's text was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CorpusError, UnknownCharacterError, UsageError
from charlm.text.fragments import read_prefix, read_string
from charlm.text.normalize import FRAGMENT_NORMALIZATIONS, NORMALIZATIONS, removed_characters
from charlm.text.vocabulary import Vocabulary

LETTERS = Vocabulary.build("abcdefghijklmnopqrstuvwxyz ")
ANY = Vocabulary.build("The time, 12.\n")


class Told:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def __call__(self, note: str) -> None:
        self.notes.append(note)


def prefix(text: str, normalization: str, unknown: str = "error") -> tuple[str, list[str]]:
    vocabulary, told = ANY if normalization == "none" else LETTERS, Told()
    ids = read_prefix(text, vocabulary, normalization, unknown, told)
    return vocabulary.decode(ids), told.notes


def stop(text: str, normalization: str) -> tuple[str, list[str]]:
    vocabulary, told = ANY if normalization == "none" else LETTERS, Told()
    what, end = f"the stop string {text!r}", "A text never ends at"
    return read_string(text, what, end, vocabulary, normalization, told), told.notes


@pytest.mark.parametrize(
    ("text", "normalization", "read"),
    [
        ("The Time ", "letters", "the time "),
        (" the\ttime\n", "letters", " the time "),
        ("The Time ", "letters-by-line", "the time "),
        ("  the  time ", "letters-by-line", " the time "),
        ("the \n time", "letters-by-line", "thetime"),
        ("The", "lower", "the"),
        ("\ufeffThe\r\ntime", "none", "The\ntime"),
        ("The\rtime", "none", "The\ntime"),
        (" ", "letters", " "),
        ("\u3000\xa0", "letters", " "),
    ],
)
def test_case_and_white_space_go_without_a_word(text: str, normalization: str, read: str) -> None:
    for reader in (prefix, stop):
        got, notes = reader(text, normalization)
        assert got == read
        assert [note for note in notes if "Line ends" not in note] == []


@pytest.mark.parametrize("normalization", ["letters", "letters-by-line"])
@pytest.mark.parametrize(
    ("text", "read", "named"),
    [
        ("caf\xe9 au lait", "caf au lait", "'é'"),
        ("the end.", "the end ", "'.'"),
        ("No. 5", "no ", "'.', '5'"),
        ("a\u200cb", "a b", "'U+200C'"),
        ("日本 time", " time", "'日', '本'"),
        ("\u212a k", " k", "'\u212a'"),  # the Kelvin sign
    ],
)
def test_what_a_normalization_takes_is_named(
    text: str, read: str, named: str, normalization: str
) -> None:
    for reader in (prefix, stop):
        got, (note,) = reader(text, normalization)
        assert got == read
        assert f"knows no {named}:" in note
        assert f"is read as {read!r}" in note


@pytest.mark.parametrize("normalization", ["letters", "letters-by-line"])
@pytest.mark.parametrize("text", ["日本", ".", " 1895 ", "\u0301", "…"])
def test_what_nothing_but_blanks_is_left_of_is_unknown(text: str, normalization: str) -> None:
    for reader in (prefix, stop):
        with pytest.raises(UnknownCharacterError, match=r"Nothing of the .* is left") as refusal:
            reader(text, normalization)
        assert normalization in refusal.value.message
    with pytest.raises(UsageError, match="empty after normalization"):
        prefix(text, normalization, "skip")
    read, notes = prefix(text, normalization, "replace")
    assert read == " "
    assert len(notes) == 1


def test_the_empty_prefix_is_refused_as_such() -> None:
    with pytest.raises(UsageError, match=r"^The prefix is empty\. "):
        prefix("", "none")
    for text in ("\n", "\ufeff"):
        with pytest.raises(UsageError, match="The prefix is empty after normalization"):
            prefix(text, "letters-by-line")


def test_a_stop_string_that_cannot_come_is_refused() -> None:
    with pytest.raises(UnknownCharacterError, match=r"'xyz'.* lacks 'x', 'y', 'z'"):
        stop("xyz", "none")
    with pytest.raises(UnknownCharacterError, match=r"lacks 'é'"):
        stop("é", "lower")
    with pytest.raises(UnknownCharacterError, match=r"knows no '\\n'"):
        stop("\n", "letters-by-line")
    with pytest.raises(CorpusError, match=r"The stop string .* has a NUL"):
        stop("\0", "none")
    assert stop("The", "letters") == ("the", [])


@pytest.mark.parametrize("name", NORMALIZATIONS)
@settings(deadline=None, max_examples=50)
@given(text=st.text("aZ .\n\té東\u200c", max_size=20))
def test_a_piece_of_a_text_reads_as_it_does_within_it(name: str, text: str) -> None:
    whole = NORMALIZATIONS[name](f"x{text}x")
    normalize = FRAGMENT_NORMALIZATIONS[name]
    assert f"x{normalize(text)}x" == whole
    assert normalize(normalize(text)) == normalize(text)


def test_only_what_is_neither_letter_nor_blank_is_taken() -> None:
    assert removed_characters("a Z.\u3000\n.é", "letters") == {".": 2, "é": 1}
    assert removed_characters("İ ẞ .\u200c", "lower") == {}
    assert removed_characters(".\u200c\t", "none") == {}


def test_of_a_long_text_only_the_beginning_is_shown() -> None:
    _, notes = prefix("4 words and more. " * 1000, "letters")
    assert len(notes) == 1
    assert len(notes[0]) < 200
    assert notes[0].endswith("and so on.")
