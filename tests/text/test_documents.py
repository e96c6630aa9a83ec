"""Texts made of documents: how they are divided, and that none is cut between two splits."""

from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from charlm.config import TextConfig
from charlm.errors import CorpusError, SettingError
from charlm.text.corpus import Corpus, Reading
from charlm.text.documents import documents_of, hold_out, marked, split_documents, with_line_ends
from charlm.text.tokens import DOCUMENT, WORDS, written_words

lines = st.text(st.sampled_from("ab é\t"), max_size=6)


@settings(deadline=None)
@given(st.lists(lines, max_size=12))
def test_lines_are_those_with_something_in_them(found: list[str]) -> None:
    wanted = [each.strip() for each in found if each.strip()]
    assert split_documents("\n".join(found), "lines") == wanted


@pytest.mark.parametrize(
    ("text", "kind", "documents"),
    [
        ("one\ntwo\n\nthree\n\n\n\nfour", "blank-lines", ["one\ntwo", "three", "four"]),
        ("one\n  two\n \t\nthree\n", "blank-lines", ["one\n  two", "three"]),
        ("\n\none\n\n", "blank-lines", ["one"]),
        ("one---two---three", "---", ["one", "two", "three"]),
        ("one\n---\ntwo\n---\n", "---", ["one", "two"]),
        ("one\n---\ntwo---x\n---\n", r"\n---\n", ["one", "two---x"]),
        ("a\tb\tc", r"\t", ["a", "b", "c"]),
        (r"a\nb\nc", r"\\n", ["a", "b", "c"]),
        ("a.b.c", ".", ["a", "b", "c"]),
        ("  indented\nas it is\n\n x", "blank-lines", ["  indented\nas it is", " x"]),
    ],
)
def test_what_stands_between_documents(text: str, kind: str, documents: list[str]) -> None:
    assert split_documents(text, kind) == documents


def test_files_are_documents_wherever_they_begin() -> None:
    assert split_documents("one\nmore\ntwo\n\n", "files", [9, 13]) == ["one\nmore", "two"]
    assert split_documents("one", "files") == ["one"]


def test_a_separator_that_is_nowhere_is_refused_by_name() -> None:
    with pytest.raises(CorpusError, match=r"no 'line' between.*lines, blank-lines, files"):
        split_documents("a\nb", "line")
    with pytest.raises(SettingError, match="cannot be empty"):
        split_documents("a\nb", "")


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab\n"), min_size=1, max_size=4), min_size=1))
def test_marks_begin_and_end_each_document(documents: list[str]) -> None:
    text = marked(documents)
    assert documents_of(text) == documents
    assert text.count(DOCUMENT) == len(documents) + 1
    assert text[0] == text[-1] == DOCUMENT
    assert len(with_line_ends(text)) == len(text)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text(st.sampled_from("abc "), min_size=1, max_size=3), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.booleans(),
)
def test_whole_documents_are_held_out(
    documents: list[str], val: float, test: float, in_words: bool
) -> None:
    distinct = len(set(documents))
    assume(distinct > 4)
    config = TextConfig(val_fraction=val, test_fraction=test)

    def tokens(text: str) -> list[str]:
        return written_words(text) if in_words else list(text)

    text, splits = hold_out(marked(documents), config, lambda each: len(tokens(each)))
    units = WORDS if in_words else "characters"
    parts = {
        name: documents_of(splits.of_text(text, name, units)) if splits.size(name) else []
        for name in ("train", "val", "test")
    }
    # Nothing is lost, nothing is made up, and what is held out was not trained on.
    assert Counter(each for part in parts.values() for each in part) == Counter(documents)
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not set(parts[one]) & set(parts[other])
    for name, share in (("val", val), ("test", test)):
        wanted = max(1, int(share * distinct)) if share else 0
        assert abs(len(set(parts[name])) - wanted) <= (share > 0)
    for part in parts.values():
        # The order is that of the text.
        places = iter(documents)
        assert all(each in places for each in part)
    assert splits.span("all") == (0, len(tokens(text)))


def test_limits_take_the_first_documents() -> None:
    text = marked([f"{number:03}" for number in range(100)])
    config = TextConfig(val_fraction=0.2, val_characters=9, train_characters=21)
    arranged, splits = hold_out(text, config, len)
    # Each takes three characters and the mark that ends it.
    assert len(documents_of(splits.of_text(arranged, "val"))) == 2
    assert len(documents_of(splits.of_text(arranged, "train"))) == 5


def test_too_few_documents_to_hold_one_out() -> None:
    with pytest.raises(CorpusError, match=r"has 1 document that differ; training needs at least 2"):
        hold_out(marked(["same", "same"]), TextConfig(), len)


def test_documents_are_normalized_one_by_one() -> None:
    corpus = Corpus.from_text("Ann-Marie!\n123\nO'Neill\n")
    read = corpus.read_as(Reading("letters", documents="lines"))
    assert documents_of(read.text) == ["ann marie", "o neill"]
