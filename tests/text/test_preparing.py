"""Large texts in the cache: prepared once, known again, never half there, and the same as small."""

import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CharlmError
from charlm.machine.memory import NotEnoughMemoryError
from charlm.text import large_files, making_codes, preparing
from charlm.text.corpus import AnyCorpus, Corpus, Reading, open_corpus
from charlm.text.large import LargeCorpus
from charlm.text.preparing import delete_prepared, prepared_texts
from charlm.text.tokens import ITEMS
from charlm.text.vocabulary import Vocabulary

TEXT = "The Time Traveller (for so it will be convenient to speak of him)\r\nwas é.\n" * 9


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, in which all texts of more than ten bytes are prepared."""
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "10")
    monkeypatch.setattr(preparing, "TICK", 0)
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_bytes(TEXT.encode())
    return path


def assert_alike(large: AnyCorpus, small: AnyCorpus, units: str) -> None:
    """Everything that is asked of a text is answered alike."""
    assert isinstance(large, LargeCorpus)
    assert isinstance(small, Corpus)
    names = ("name", "normalization", "sha256", "characters_sha256", "text_sha256", "characters")
    for name in (*names, "source", "notes", "is_bytes", "lossless", "needs_copy"):
        assert getattr(large, name) == getattr(small, name), name
    size = small.size(units)
    assert large.size(units) == size
    vocabulary = Vocabulary.of_tokens(small.counts(units, 0, size // 2), units, 2)
    spans = [(0, size), (1, size), (size // 3, 2 * size // 3), (size, size)]
    for start, stop in spans:
        assert large.counts(units, start, stop) == small.counts(units, start, stop)
        assert large.part(start, stop, units) == small.part(start, stop, units)
        if start:
            assert large.bytes_of(start, stop, units) == small.bytes_of(start, stop, units)
        ids = large.encode(vocabulary, start, stop)
        expected = small.encode(vocabulary, start, stop)
        assert ids.dtype == expected.dtype
        assert np.array_equal(np.asarray(ids), expected)
        part = small.part(start, stop, units)
        spelled = part.encode("latin-1") if small.is_bytes else part
        assert large.words_in(start, stop) == len(spelled.split())
        characters = spelled.decode("utf-8", "replace") if small.is_bytes else part
        if not small.is_bytes or part.isascii():
            assert large.characters_in(start, stop) == len(characters)
    assert large.beginning(20) == small.beginning(20)


LETTERS = st.sampled_from("aB \r\n\t.é東🙂Σ'")
CONTENTS = st.lists(st.lists(LETTERS, min_size=1, max_size=30).map("".join), min_size=1, max_size=3)


@settings(deadline=None, max_examples=40)
@given(
    CONTENTS,
    st.sampled_from([None, "letters", "letters-by-line", "lower"]),
    st.sampled_from(sorted(ITEMS)),
    st.sampled_from(["utf-8", "utf-16", "gb18030"]),
)
def test_large_is_small(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[str],
    normalization: str | None,
    units: str,
    encoding: str,
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    if units == "bytes":
        normalization, encoding = None, "utf-8"
    for number, content in enumerate(contents):
        (folder / f"{number}.txt").write_bytes(content.encode(encoding, "ignore"))
    reading = Reading(normalization, encoding, units)

    def outcome(limit: str) -> AnyCorpus | str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHARLM_CACHE_DIR", str(folder / "cache"))
            patch.setenv("CHARLM_LARGE_TEXT", limit)
            try:
                return open_corpus(folder, reading)
            except CharlmError as error:
                return error.message

    small, large = outcome("1000000"), outcome("0")
    if isinstance(small, str) or isinstance(large, str):
        assert large == small
    else:
        assert_alike(large, small, units)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "gb18030", "utf-16"])
def test_an_encoding_is_guessed_as_for_a_small_text(
    encoding: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guessed.txt"
    letters = (
        "这是一个很长的故事。" if encoding == "gb18030" else "Où étiez-vous, très chère amie ?"
    )
    path.write_bytes(f"{letters}\n".encode(encoding) * 40)
    reading = Reading(encoding="auto")
    large = open_corpus(path, reading)
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "1000000")
    small = open_corpus(path, reading)
    assert_alike(large, small, "characters")
    assert large.notes == small.notes


def test_what_is_guessed_too_early_is_refused(cache: Path, tmp_path: Path) -> None:
    """A large text is told by its beginning, which may say less than all of it."""
    path = tmp_path / "late.txt"
    path.write_bytes(b"plain\n" * 600_000 + "déjà".encode("windows-1252"))
    with pytest.raises(CharlmError, match=r"late.txt.* is not utf-8 text") as raised:
        open_corpus(path, Reading(encoding="auto"))
    assert raised.value.hint.startswith("It begins as utf-8")
    assert raised.value.hint.endswith("which may be --encoding latin-1.")


def refuse(*_: object) -> None:
    raise AssertionError("the text is prepared again")


def test_a_second_start_reads_nothing(
    cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_corpus(text)
    monkeypatch.setattr(preparing, "make", refuse)
    monkeypatch.setattr(preparing, "hashes_of", refuse)
    again = open_corpus(text)
    assert isinstance(again, LargeCorpus)
    assert again.facts == first.facts  # type: ignore[union-attr]


def test_a_copy_in_another_place_is_known(
    cache: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read to be known, and not prepared."""
    open_corpus(text)
    copy = tmp_path / "copy.txt"
    shutil.copy(text, copy)
    monkeypatch.setattr(preparing, "make", refuse)
    assert open_corpus(copy).name == "copy"
    assert len(list(cache.glob("*.codes"))) == 1


def test_a_changed_text_is_prepared_anew(cache: Path, text: Path) -> None:
    """Also one of the same size, whose time of change was set back."""
    import os

    before, times = open_corpus(text), text.stat()
    time.sleep(0.02)
    text.write_bytes(TEXT.encode().replace(b"Time", b"Tide"))
    os.utime(text, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = open_corpus(text)
    assert after.text_sha256 != before.text_sha256
    assert "Tide" in after.beginning(20)


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        lambda whole: whole[:-40] + b"x" * 40,
    ],
)
def test_a_damaged_file_is_made_again(
    cache: Path, text: Path, harm: Callable[[bytes], bytes]
) -> None:
    first = open_corpus(text).part(0, 50, "characters")
    (codes,) = cache.glob("*.codes")
    whole = codes.read_bytes()
    codes.write_bytes(harm(whole))
    assert open_corpus(text).part(0, 50, "characters") == first
    assert codes.read_bytes() == whole


def test_a_damaged_note_is_no_harm(cache: Path, text: Path) -> None:
    open_corpus(text)
    (note,) = cache.glob("*.json")
    for content in (b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000):
        note.write_bytes(content)
        assert open_corpus(text).characters == len(TEXT.replace("\r\n", "\n"))


def test_whatever_stops_it_leaves_nothing(
    cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_corpus(text, report=interrupt)
    assert list(cache.iterdir()) == []
    with pytest.raises(CharlmError, match="cannot stand there"):
        open_corpus(text, Reading(encoding="ascii"))
    assert list(cache.iterdir()) == []


def test_a_text_that_grows_meanwhile(cache: Path, text: Path) -> None:
    def grow(done: int, total: int) -> None:
        with text.open("ab") as file:
            file.write(b"more")

    with pytest.raises(CharlmError, match=r"book\.txt' changed while it was read"):
        open_corpus(text, report=grow)


def test_too_little_room(cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(text)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(CharlmError, match="are free") as error:
        open_corpus(text)
    assert "charlm corpus prepared --delete" in error.value.hint


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "10")
    with pytest.raises(CharlmError, match="Cannot keep the prepared text"):
        open_corpus(text)


def test_abandoned_drafts_are_removed(
    cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that somebody still writes to are not."""
    cache.mkdir(parents=True)
    (cache / f"{making_codes.DRAFT}x").write_bytes(b"half")
    open_corpus(text)
    assert (cache / f"{making_codes.DRAFT}x").exists()
    monkeypatch.setattr(preparing, "ABANDONED", -1.0)
    open_corpus(text)
    assert not list(cache.glob(f"{making_codes.DRAFT}*"))


def test_two_processes_at_once(cache: Path, tmp_path: Path) -> None:
    """Both come to the same, and there is one file."""
    text = tmp_path / "long.txt"
    text.write_bytes(TEXT.encode() * 3000)
    program = (
        "import sys; from charlm.text.corpus import open_corpus; "
        "print(open_corpus(sys.argv[1]).text_sha256)"
    )
    command = [sys.executable, "-c", program, str(text)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate()[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert said[0] == said[1] == f"{open_corpus(text).text_sha256}\n"
    assert len(list(cache.glob("*.codes"))) == 1
    assert not list(cache.glob(f"{making_codes.DRAFT}*"))


def test_what_is_prepared_is_listed_and_deleted(cache: Path, text: Path) -> None:
    assert list(prepared_texts()) == []
    open_corpus(text)
    (found,) = prepared_texts()
    assert found.paths == (str(text.resolve()),)
    assert found.size == found.codes.stat().st_size
    assert delete_prepared() >= found.size
    assert list(cache.iterdir()) == []
    assert open_corpus(text).characters == len(TEXT.replace("\r\n", "\n"))


def test_what_needs_all_of_a_text_says_so(cache: Path, text: Path) -> None:
    with pytest.raises(CharlmError, match=r"book has .* too large to be held in memory"):
        _ = open_corpus(text).text


def test_documents_stay_in_memory_if_there_is_enough(
    cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(open_corpus(text, Reading(documents="lines")), Corpus)
    monkeypatch.setattr(large_files, "available_memory", lambda: 100)
    with pytest.raises(NotEnoughMemoryError, match="in documents would take"):
        open_corpus(text, Reading(documents="lines"))


def test_the_limit_is_a_number(cache: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_LARGE_TEXT", "64 MB")
    with pytest.raises(CharlmError, match="CHARLM_LARGE_TEXT is '64 MB'"):
        open_corpus(text)
    monkeypatch.delenv("CHARLM_LARGE_TEXT")
    assert isinstance(open_corpus(text), Corpus)


def test_read_in_another_way(cache: Path, text: Path) -> None:
    corpus = open_corpus(text)
    assert isinstance(corpus, LargeCorpus)
    assert corpus.read_as(Reading()) is corpus
    assert corpus.read_as(Reading("lower")).beginning(8) == "the time"
    with pytest.raises(CharlmError, match="too large to be read in words"):
        corpus.read_as(Reading(units="words"))
    assert dataclasses.replace(corpus, name="x").name == "x"
