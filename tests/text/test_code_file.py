"""The file of a large text's codes: what is written is read, and damage is noticed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CorpusError
from charlm.text import code_file
from charlm.text.code_file import CodeFile, CodeWriter, DamagedCodesError, Stretches
from charlm.text.mapped_ids import MappedIds


def make(path: Path, pieces: list[np.ndarray], alphabet: int) -> None:
    """Write codes to a file; the alphabet is that many characters."""
    with path.open("w+b") as file:
        writer = CodeWriter(file)
        known = 1
        for piece in pieces:
            known = max(known, int(piece.max(initial=0)) + 1)
            narrow = piece.astype(np.min_scalar_type(known - 1))
            writer.write(narrow, np.bincount(piece, minlength=known))
        letters = [chr(0x100 + i) for i in range(alphabet)]
        writer.finish(letters, [0] * alphabet, {"name": "it"})


PIECES = st.lists(st.lists(st.integers(0, 70_000), max_size=40), max_size=6)


@settings(deadline=None, max_examples=25)
@given(PIECES, st.integers(1, 50), st.integers(1, 300), st.data())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[list[int]],
    together: int,
    most: int,
    data: st.DataObject,
) -> None:
    """Also where later codes need a wider type, and stretches are put together."""
    path = tmp_path_factory.mktemp("codes") / "a.codes"
    arrays = [np.array(each, dtype=np.int64) for each in pieces]
    whole = np.concatenate([np.empty(0, dtype=np.int64), *arrays])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_file, "TOGETHER", together)
        patch.setattr(code_file, "MOST_COUNTS", most)
        patch.setattr(code_file, "MOST_MAPPED", 100)
        size = int(whole.max(initial=0)) + 1
        make(path, arrays, size)
        codes = CodeFile(path, verify=True)
        start = data.draw(st.integers(0, len(whole)))
        stop = data.draw(st.integers(start, len(whole)))
        assert codes.read(start, stop).tolist() == whole[start:stop].tolist()
        expected = np.bincount(whole[start:stop], minlength=size)
        assert codes.counts(start, stop).tolist() == expected.tolist()
    narrowest = np.min_scalar_type(size - 1) if len(whole) else np.uint8
    assert codes.contents.type == np.dtype(narrowest)
    assert codes.contents.facts == {"name": "it"}


@settings(deadline=None, max_examples=25)
@given(PIECES, st.integers(1, 200))
def test_stretches_add_up(pieces: list[list[int]], most: int) -> None:
    stretches = Stretches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_file, "MOST_COUNTS", most)
        for known, piece in enumerate(pieces, 1):
            stretches.add(np.bincount(np.array(piece, dtype=np.int64) % known, minlength=known))
    table = stretches.table(50)
    assert table.sum() == sum(map(len, pieces))
    assert np.cumsum(table.sum(1)).tolist() == stretches.stops


def test_damage_is_noticed(tmp_path: Path) -> None:
    """Every byte counts, and every length."""
    path = tmp_path / "a.codes"
    make(path, [np.arange(100) % 7], 7)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DamagedCodesError):
            CodeFile(path, verify=True)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedCodesError):
            CodeFile(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(DamagedCodesError):
        CodeFile(path)


def test_ids_are_read_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_file, "MOST_MAPPED", 100)
    path = tmp_path / "a.codes"
    whole = np.random.default_rng(0).integers(0, 9, 1000)
    make(path, [whole], 9)
    table = np.array([3, 1, 2, 0, 4, 0, 5, 6, 7], dtype=np.uint8)
    ids, expected = MappedIds(CodeFile(path), table, 0, 1000), table[whole]
    for part in (slice(None), slice(5, 20), slice(-7, None), slice(None, -3), slice(9, 4)):
        assert np.asarray(ids[part]).tolist() == expected[part].tolist()
        assert len(ids[part]) == len(expected[part])
        assert np.asarray(ids[10:][part]).tolist() == expected[10:][part].tolist()
    positions = np.arange(20)[:, None] + np.array([3, 500, 900])
    assert ids[30:][positions].tolist() == expected[30:][positions].tolist()
    assert ids.astype(np.int64).dtype == np.int64
    assert ids.dtype == np.uint8


def test_a_file_may_be_removed_while_it_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.codes"
    make(path, [np.arange(50)], 50)
    codes = CodeFile(path)
    try:
        path.unlink()
    except OSError:
        pytest.skip("This system removes no open file.")
    assert codes.read(0, 50).tolist() == list(range(50))


def test_a_file_that_is_cut_off_while_it_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "a.codes"
    make(path, [np.arange(50)], 50)
    codes = CodeFile(path)
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match="was changed while it was in use"):
        codes.read(0, 50)


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.codes"
    path.write_bytes(b"")
    with pytest.raises(DamagedCodesError):
        CodeFile(path)
