"""Texts as words and as bytes: nothing of them is lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.config import TextConfig
from charlm.errors import SettingError, UnknownCharacterError
from charlm.text.corpus import Corpus, Reading, open_corpus
from charlm.text.fragments import read_prefix, read_string
from charlm.text.splits import Splits
from charlm.text.tokens import BYTES, DOCUMENT, WORDS, written_words
from charlm.text.vocabulary import Vocabulary


def quiet(sentence: str) -> None:
    raise AssertionError(sentence)


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from("ab ,.\n\t" + DOCUMENT)))
def test_words_joined_are_the_text(text: str) -> None:
    words = written_words(text)
    assert "".join(words) == text
    # A blank before a word is part of it, and nothing else is together.
    for each in words:
        assert each == DOCUMENT or DOCUMENT not in each
        bare = each.removeprefix(" ") or each
        assert len(bare) == 1 or not any(mark.isspace() for mark in bare)


def test_words_by_hand() -> None:
    words = written_words('He said:  "don\'t_1, é3!"\n\tNo.')
    assert words == [
        *("He", " said", ":", " ", ' "', "don", "'", "t_1", ",", " é3", "!", '"', "\n", "\t", "No"),
        ".",
    ]


@settings(deadline=None)
@given(st.text(st.sampled_from("aab ,.\n")), st.text(st.sampled_from("abc ,\n")))
def test_words_round_trip(text: str, other: str) -> None:
    vocabulary = Vocabulary.build(text, units=WORDS)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    unknown = vocabulary.unknown(other)
    ids = vocabulary.encode(other, "replace")
    assert np.count_nonzero(ids == 0) == sum(unknown.values())
    kept = "".join(each for each in written_words(other) if each in vocabulary)
    assert vocabulary.decode(vocabulary.encode(other, "skip")) == kept


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_every_byte_is_known(train: bytes, other: bytes) -> None:
    vocabulary = Vocabulary.build(train.decode("latin-1"), units=BYTES)
    assert len(vocabulary) == 257
    ids = vocabulary.encode(other.decode("latin-1"))
    assert vocabulary.decode(ids).encode("latin-1") == other
    assert ids.dtype == np.uint16
    counts = dict(zip(vocabulary.entries, vocabulary.counts, strict=True))
    assert counts == {chr(byte): train.count(byte) for byte in range(256)}
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    contents = [b"\xef\xbb\xbfa\r\nb\x00\xff", b"\rno end"]
    paths = [tmp_path / "one.txt", tmp_path / "two.bin"]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    corpus = open_corpus(paths, Reading(units=BYTES))
    whole = b"".join(contents)
    assert corpus.text.encode("latin-1") == whole
    assert corpus.count_bytes(1, len(whole)) == len(whole) - 1
    assert (corpus.notes, corpus.normalization, corpus.lossless) == ((), "none", True)


def test_a_string_as_bytes_is_its_utf_8() -> None:
    corpus = Corpus.from_text("é東").read_as(Reading(units=BYTES))
    assert corpus.text.encode("latin-1") == "é東".encode()


def test_what_does_not_go_with_bytes_is_refused() -> None:
    for name, value in (("normalize", "letters"), ("encoding", "latin-1"), ("min_count", 2)):
        with pytest.raises(SettingError, match="does not go with units bytes"):
            TextConfig(units=BYTES, **{name: value})


def test_splits_of_words_are_whole_words() -> None:
    text = "one two three four five six seven eight nine ten"
    splits = Splits.of(10, TextConfig(val_fraction=0.2, test_fraction=0.2, units=WORDS))
    parts = [splits.of_text(text, name, WORDS) for name in ("train", "val", "test")]
    assert parts == ["one two three four five six", " seven eight", " nine ten"]
    assert "".join(parts) == text


def test_a_vocabulary_keeps_its_most_frequent_words_and_the_mark() -> None:
    text = f"{DOCUMENT}a a a b b c{DOCUMENT}"
    vocabulary = Vocabulary.build(text, units=WORDS, most=3)
    assert vocabulary.entries == (DOCUMENT, " a", " b")
    assert vocabulary.document_id == 1
    assert vocabulary.unknown_count == 2
    assert Vocabulary.build("a b", units=WORDS).document_id == 0


def test_the_first_word_of_a_prefix_may_be_one_from_within_the_text() -> None:
    vocabulary = Vocabulary.build("the time traveller", units=WORDS)

    def spelled(prefix: str) -> str:
        return vocabulary.decode(read_prefix(prefix, vocabulary, "none", "error", quiet))

    assert spelled("the time") == "the time"
    assert spelled("traveller") == " traveller"
    with pytest.raises(UnknownCharacterError, match="lacks 'machine'"):
        spelled("machine")


def test_prefixes_and_stops_of_bytes_are_utf_8() -> None:
    vocabulary = Vocabulary.build("", units=BYTES)
    ids = read_prefix("é", vocabulary, "none", "error", quiet)
    assert vocabulary.decode(ids).encode("latin-1") == "é".encode()
    assert (
        read_string("東", "it", "Never", vocabulary, "none", quiet).encode("latin-1")
        == "東".encode()
    )
