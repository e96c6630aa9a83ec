"""A score in its parts: lines, characters, bytes."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.scoring.cross_entropy import CrossEntropy
from charlm.scoring.results import Evaluation

# All of these end a line for str.splitlines; for charlm only \n does.
ODD_SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r"


def evaluation(
    text: str,
    surprise: npt.NDArray[np.float64] | None = None,
    unknown_characters: int = 0,
    bytes_read: int | None = None,
) -> Evaluation:
    if surprise is None:
        surprise = np.random.default_rng(len(text)).exponential(2.0, len(text) - 1)
    return Evaluation("a text", "all", text, surprise, unknown_characters, bytes_read)


texts = st.text("ab é東\n\n" + ODD_SEPARATORS, min_size=1, max_size=40)


@settings(deadline=None, max_examples=200)
@given(texts)
def test_lines_partition_the_text(text: str) -> None:
    lines = evaluation(text).lines
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == text.count("\n") + (not text.endswith("\n"))
    assert not any("\n" in line.text for line in lines)
    ended = "\n" if text.endswith("\n") else ""
    assert "\n".join(line.text for line in lines) + ended == text


@settings(deadline=None, max_examples=200)
@given(texts)
def test_every_character_but_the_first_counts_in_its_own_line(text: str) -> None:
    whole = evaluation(text)
    nats: dict[int, float] = {}
    characters: dict[int, int] = {}
    for i in range(1, len(text)):
        # Character number i stands on the line after as many line ends as come before it.
        number = text[:i].count("\n") + 1
        nats[number] = nats.get(number, 0.0) + whole.surprise[i - 1]
        characters[number] = characters.get(number, 0) + 1
    for line in whole.lines:
        assert line.score.characters == characters.get(line.number, 0)
        assert line.score.nats == pytest.approx(nats.get(line.number, 0.0), rel=1e-12)
    assert sum(line.score.characters for line in whole.lines) == whole.score.characters
    assert math.fsum(line.score.nats for line in whole.lines) == pytest.approx(whole.score.nats)


@pytest.mark.parametrize("separator", ODD_SEPARATORS, ids=ascii)
def test_only_a_line_feed_ends_a_line(separator: str) -> None:
    lines = evaluation(f"one{separator}two\nthree").lines
    assert [line.text for line in lines] == [f"one{separator}two", "three"]
    assert [line.score.characters for line in lines] == [7, 5]


def test_the_first_character_is_in_no_score() -> None:
    lines = evaluation("\nab", np.array([1.0, 2.0])).lines
    assert [(line.text, line.score.characters) for line in lines] == [("", 0), ("ab", 2)]
    assert lines[1].score.nats == 3.0


def test_a_line_end_is_paid_for_in_the_line_it_ends() -> None:
    lines = evaluation("ab\nc\n", np.array([1.0, 2.0, 4.0, 8.0])).lines
    assert [line.score.nats for line in lines] == [3.0, 12.0]


def test_the_score_sums_in_double_precision() -> None:
    surprise = np.full(100_000, 0.1)
    assert evaluation("x" * 100_001, surprise).score.nats == pytest.approx(1e4, rel=1e-13)


def test_bits_per_byte_counts_the_bytes_that_were_read() -> None:
    result = evaluation("a東é\n", np.full(3, math.log(2)), bytes_read=6)
    assert result.bits_per_byte == pytest.approx(3 / 6)
    assert result.bits_per_byte_of(CrossEntropy(12 * math.log(2), 3)) == pytest.approx(2)


def test_bytes_mean_nothing_where_the_text_is_not_what_was_read() -> None:
    assert evaluation("abc", bytes_read=2).bits_per_byte is not None
    assert evaluation("abc", bytes_read=2, unknown_characters=1).bits_per_byte is None
    assert evaluation("abc").bits_per_byte is None
    assert evaluation("a", bytes_read=0).bits_per_byte is None


def test_a_text_that_utf_8_cannot_spell_is_scored_all_the_same() -> None:
    result = evaluation("a\ud800b")
    assert result.to_json()["characters"] == 2
    assert result.bits_per_byte is None or result.bits_per_byte > 0


def test_the_written_form_holds_the_score_and_what_it_is_of() -> None:
    result = evaluation("aé", np.array([math.log(4)]), bytes_read=2)
    assert result.to_json() == {
        "corpus": "a text",
        "split": "all",
        **result.score.to_json(),
        "bits_per_byte": pytest.approx(1.0),
        "byte_perplexity": pytest.approx(2.0),
        "word_perplexity": pytest.approx(4.0),
        "unknown_characters": 0,
        "interval": result.interval.to_json(),
    }
    assert result.score.bits_per_character == pytest.approx(2.0)
