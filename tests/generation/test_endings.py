"""Sentences, and texts that go on to the end of one."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import VOCABULARY, Chaotic, stream_texts

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.generation import endings
from charlm.generation.endings import End, SentenceEnd, StopStrings, endings_of, until_end
from charlm.generation.reading import read
from charlm.generation.texts import stream_texts as stream
from charlm.text.vocabulary import Vocabulary


def first_sentence(text: str, length: int = 0) -> str | None:
    end = SentenceEnd(length).find(text, 0)
    return None if end is None else text[: end.at]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("He came. She went.", "He came."),
        ("Well! And?", "Well!"),
        ("So? no", "So?"),
        ("It was… late", "It was…"),
        ("It was... late", "It was..."),
        ("What?! Now", "What?!"),
        ("'He came.' She", "'He came.'"),
        ('"He came." She', '"He came."'),
        ("“He came.” She", "“He came.”"),
        ("«Il vint.» Elle", "«Il vint.»"),
        ("(He came.) She", "(He came.)"),
        ("\"'He came.'\"\nShe", "\"'He came.'\""),
        ("It is 3.14 and v1.2. So", "It is 3.14 and v1.2."),
        ("see www.example.org now. So", "see www.example.org now."),
        ("آیا آمد؟ بله", "آیا آمد؟"),
        ("او آمد. رفت", "او آمد."),
        ("وہ آیا۔ گیا", "وہ آیا۔"),
        ("彼は来た。彼女", "彼は来た。"),
        ("「来た。」彼女", "「来た。」"),
        ("『「来た！」』彼女", "『「来た！」』"),
        ("他来了？！她", "他来了？！"),
        ("वह आया। गया", "वह आया।"),
        ("He came.", None),  # another mark may follow
        ("He came.\n", "He came."),
        ("no end here", None),
        ("", None),
    ],
)
def test_sentences_by_hand(text: str, sentence: str | None) -> None:
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "One."), (4, "One."), (5, "One. Two."), (9, "One. Two."), (10, "One. Two. Three.")],
)
def test_the_sentence_ends_at_the_length_or_beyond(length: int, text: str) -> None:
    assert first_sentence("One. Two. Three. Four", length) == text


def test_an_end_is_known_one_character_later() -> None:
    assert SentenceEnd(0).find("One. Two", 0) == End(known=5, at=4)


def cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted({min(each, len(text)) for each in places}), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


texts = st.text('ab.?" \n。」', max_size=30)


@settings(deadline=None, max_examples=400)
@given(
    texts,
    st.lists(st.integers(0, 30), max_size=8),
    st.integers(0, 15),
    st.lists(st.text("ab. ", min_size=1, max_size=3), max_size=2),
)
def test_pieces_end_where_the_whole_text_does(
    text: str, places: list[int], length: int, stops: list[str]
) -> None:
    """However it is cut, a text ends as if it were looked at anew after every character."""
    ways = [SentenceEnd(length), *([StopStrings(stops)] if stops else [])]
    expected = text
    for n in range(1, len(text) + 1):
        found = [each.find(text[:n], 0) for each in ways]
        if any(found):
            expected = text[: min(each.at for each in found if each)]
            break
    pieces = list(until_end(iter(cut(text, places)), ways))
    assert "".join(pieces) == expected
    assert all(pieces)


def test_nothing_waits_that_decides_no_end() -> None:
    assert list(until_end(iter('He." came'), [SentenceEnd(0)])) == ["H", "e", '."']
    assert list(until_end(iter("a.b c"), [SentenceEnd(0)])) == ["a", ".b", " ", "c"]


SENTENCES = Vocabulary("ab. cde", [1] * 7)


def test_a_drawn_text_ends_with_its_sentence() -> None:
    plain = SamplingConfig(length=2000, num_samples=3, seed=2)
    config = SamplingConfig(length=40, num_samples=3, seed=2, until_sentence_end=True)
    prefix = SENTENCES.encode("cab")
    whole = ["".join(each) for each in stream_texts(Chaotic(), SENTENCES, prefix, plain)]
    found = ["".join(each) for each in stream_texts(Chaotic(), SENTENCES, prefix, config)]
    for text, ended in zip(whole, found, strict=True):
        assert text.startswith(ended)
        assert len(ended) >= 40
        assert ended.endswith(".")
        assert text[len(ended)] == " "
        middle = text[39 : len(ended) - 1]
        assert ". " not in middle
    assert len(set(map(len, found))) > 1


def test_a_sentence_that_does_not_end_is_cut_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    config = SamplingConfig(length=10, temperature=0, ban=".", until_sentence_end=True)
    engine = Chaotic()
    beginning = read(engine, [SENTENCES.encode("cab")])
    monkeypatch.setattr(endings, "MOST_BEYOND", 30)
    (text,) = stream(engine, SENTENCES, beginning, config, told.append)
    assert len("".join(text)) == 40
    assert len(told) == 1
    assert told[0].startswith("No sentence ended within")
    # A text that its stop string ends has ended.
    config = SamplingConfig(length=10, temperature=0, until_sentence_end=True, stop=list("abcde"))
    (text,) = stream(engine, SENTENCES, beginning, config, told.append)
    assert len("".join(text)) < 40
    assert len(told) == 1


def test_a_run_without_marks_is_told() -> None:
    config = SamplingConfig(until_sentence_end=True)
    with pytest.raises(SettingError, match="until_sentence_end needs a run that writes"):
        endings_of(config, VOCABULARY)
    assert endings_of(config, SENTENCES)
