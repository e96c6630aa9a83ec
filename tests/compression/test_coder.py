"""The range coder writes what its arithmetic says, and nothing of the frequencies is rounded."""

import sys
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.compression.adaptive import MOST, AdaptiveTable, UnknownRate
from charlm.compression.coder import CompressionError, Decoder, Encoder
from charlm.compression.model import TOTAL, frequencies, weights_of, weights_of_counts

pytest.importorskip("constriction")
seeds = st.integers(0, 2**32)


def some_rows(seed: int, V: int, n: int) -> np.ndarray:
    """Frequencies (n, V) of very uneven symbols."""
    random = np.random.default_rng(seed)
    weights = weights_of(random.standard_normal((n, V)) * random.choice([0.1, 3, 30]))
    return frequencies(weights, random.integers(0, TOTAL, n) * random.integers(0, 2, n))


@given(seeds, st.sampled_from([2, 3, 70, 3000]))
def test_frequencies_add_up(seed: int, V: int) -> None:
    rows = some_rows(seed, V, 5)
    assert rows.min() >= 1
    assert (rows.sum(axis=1) == TOTAL).all()


def test_frequencies_are_the_probabilities() -> None:
    logits = np.random.default_rng(0).standard_normal((50, 30)) * 4
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = frequencies(weights_of(logits), np.zeros(50, dtype=np.int64)) / TOTAL
    # The table's error, as a share, and one part in TOTAL for each entry.
    assert np.abs(found - true).max() <= 2e-6 + 31 / TOTAL
    likely = true > 1e-4
    assert np.abs(np.log(found / true))[likely].max() < 31 / TOTAL / 1e-4 + 1e-5


def test_unknown_characters_are_as_frequent_as_they_were() -> None:
    weights = weights_of(np.array([[-30.0, 1.0, 2.0]]))
    (row,) = frequencies(weights, np.array([TOTAL // 4]))
    assert row[0] == TOTAL // 4
    assert row[2] / row[1] == pytest.approx(np.e, rel=1e-5)
    rate = UnknownRate()
    for unknown in [False] * 30 + [True] * 10:
        rate.add(False, unknown)
    assert rate.frequency(False) / TOTAL == pytest.approx(10 / 40, abs=0.01)
    assert rate.frequency(True) / TOTAL == pytest.approx(1 / 8)


def test_counts_of_any_size() -> None:
    for counts in ([0, 5, 1], [2**50, 2**49, 0]):
        row = frequencies(weights_of_counts(counts), np.array([0]))[0]
        assert row.sum() == TOTAL
        assert row[int(np.argmax(counts))] == row.max()


def words_by_hand(rows: np.ndarray, symbols: list[int]) -> list[int]:
    """The first words of a range coder with 32-bit words and 64 bits of state, in long integers."""
    low, width, words = 0, 2**64 - 1, 0
    for row, symbol in zip(rows.tolist(), symbols, strict=True):
        unit = width >> 24
        low += unit * sum(row[:symbol])
        width = unit * row[symbol]
        if width < 2**32:
            low, width, words = low << 32, width << 32, words + 1
    return [low >> 32 * place & 0xFFFFFFFF for place in range(words + 1, 1, -1)]


@settings(deadline=None)
@given(seeds, st.sampled_from([2, 3, 70]))
def test_what_is_written_is_what_long_integers_give(seed: int, V: int) -> None:
    rows = some_rows(seed, V, 60)
    symbols = np.random.default_rng(seed).integers(0, V, 60).tolist()
    encoder = Encoder()
    for row, symbol in zip(rows, symbols, strict=True):
        assert encoder.code(row, symbol) == symbol
    written = encoder.written()
    expected = words_by_hand(rows, symbols)
    assert np.frombuffer(written, "<u4").tolist()[: len(expected)] == expected
    bits = sum(24 - log2(row[symbol]) for row, symbol in zip(rows, symbols, strict=True))
    assert bits <= 8 * len(written) <= bits + 64
    decoder = Decoder(written)
    assert [decoder.code(row, 0) for row in rows] == symbols


def test_nothing_is_read_beyond_the_end() -> None:
    encoder, row = Encoder(), some_rows(0, 70, 1)[0]
    for symbol in (3, 60, 5):
        encoder.code(row, symbol)
    encoder.code_uniform(1000, 321)
    decoder = Decoder(encoder.written())
    assert [decoder.code(row, 0) for _ in range(3)] == [3, 60, 5]
    assert decoder.code_uniform(1000, 0) == 321
    with pytest.raises(CompressionError, match="compressed text"):
        for _ in range(200):
            decoder.code(row, 0)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=60))
def test_adaptive_tables_learn_alike_on_both_sides(symbols: list[str]) -> None:
    def code(coder: Encoder | Decoder, given: list[str]) -> list[str | None]:
        table, found = AdaptiveTable[str](), []
        for true, symbol in zip(symbols, given, strict=True):
            found.append(table.code(coder, symbol))
            table.add(true)
        return found

    encoder = Encoder()
    first = code(encoder, symbols)
    assert code(Decoder(encoder.written()), ["e"] * len(symbols)) == first
    news = [symbol for symbol, known in zip(symbols, first, strict=True) if known is None]
    assert news == list(dict.fromkeys(symbols))


def test_counts_are_halved_before_they_grow_large() -> None:
    table = AdaptiveTable("a", "b")
    for _ in range(MOST):
        table.add("a")
    assert table.total == sum(table.counts) < MOST
    assert table.counts[1] == 1


def test_without_the_library_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(CompressionError, match="extra 'compression'"):
        Encoder()
