"""Every way to name a text, every way it can fail, and the spans it is split into."""

import errno
import hashlib
import io
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from charlm.config import TextConfig
from charlm.errors import CorpusError, SettingError, UsageError
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS, corpus_path
from charlm.text.corpus import Corpus, Reading, open_corpus
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.splits import Splits

SHAKESPEARE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tinyshakespeare.txt"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stand_in_for_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts in a folder and below it, among files that are none or are hidden."""
    root = tmp_path / "books"
    write(root / "b.txt", "second ")
    write(root / "a.txt", "first ")
    write(root / "c" / "deep" / "d.MD", "fourth ")
    write(root / "c" / "a.text", "third ")
    write(root / "e.txt", "fifth ")
    write(root / "picture.png", b"\x89PNG\0")
    write(root / "noending", "not me")
    write(root / ".hidden.txt", "not me")
    write(root / ".git" / "config.txt", "not me")
    (root / "folder.txt").mkdir()
    return root


# Ways to name a text


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file(tmp_path: Path, kind: type) -> None:
    content = "Zuerst: 道可道 \N{GRINNING FACE}\n\n\tEnde".encode()
    path = write(tmp_path / "my book.v2.txt", content)
    corpus = open_corpus(kind(path))
    assert corpus == Corpus(
        name="my book.v2",
        text=content.decode(),
        normalization="none",
        sha256=sha256(content),
        characters_sha256=sha256(content),
        source=(str(path.resolve()),),
        notes=(),
    )
    assert corpus.lossless


def test_a_file_needs_no_ending_and_is_found_again_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "sub" / "noending", "some text")
    monkeypatch.chdir(tmp_path / "sub")
    corpus = open_corpus("noending")
    monkeypatch.chdir(tmp_path)
    assert corpus.name == "noending"
    assert open_corpus(corpus.source) == corpus


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "book.txt", "some text")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert open_corpus("~/book.txt").text == "some text"


def test_a_folder_is_its_texts_and_those_below_it_in_order(folder: Path) -> None:
    corpus = open_corpus(folder)
    assert corpus.text == "first \nsecond \nthird \nfourth \nfifth "
    assert corpus.name == "books"
    parts = ["a.txt", "b.txt", "c/a.text", "c/deep/d.MD", "e.txt"]
    assert corpus.source == tuple(str((folder / part).resolve()) for part in parts)
    assert corpus.sha256 == sha256(b"first second third fourth fifth ")
    assert corpus.characters_sha256 == sha256(corpus.text.encode())
    assert open_corpus(f"{folder}/") == corpus
    assert open_corpus(corpus.source).text == corpus.text


def test_a_folder_may_itself_lie_in_a_hidden_one(tmp_path: Path) -> None:
    write(tmp_path / ".cache" / "books" / "a.txt", "some text")
    assert open_corpus(tmp_path / ".cache" / "books").text == "some text"


def test_the_folder_one_stands_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert open_corpus(".").text == open_corpus(folder).text
    assert open_corpus(".").source == open_corpus(folder).source


def test_a_glob_is_what_it_matches_in_order(folder: Path) -> None:
    assert open_corpus(f"{folder}/*.txt").text == "first \nsecond \nfifth "
    assert open_corpus(f"{folder}/**/*.t*xt").text == "first \nsecond \nthird \nfifth "
    assert open_corpus(f"{folder}/[be].txt").text == "second \nfifth "


@pytest.mark.parametrize("pattern", ["b*.txt", "?.MD", "**/d.*"])
def test_a_glob_that_matches_one_file_is_called_like_it(folder: Path, pattern: str) -> None:
    corpus = open_corpus(f"{folder if pattern != '?.MD' else folder / 'c' / 'deep'}/{pattern}")
    assert corpus.name == Path(corpus.source[0]).stem


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    write(tmp_path / "a[1].txt", "this one")
    write(tmp_path / "a1.txt", "not me")
    assert open_corpus(tmp_path / "a[1].txt").text == "this one"


def test_several_texts_in_the_order_given(folder: Path) -> None:
    given = [folder / "e.txt", str(folder / "c"), f"{folder}/[ab].txt"]
    corpus = open_corpus(given)
    assert corpus.text == "fifth \nthird \nfourth \nfirst \nsecond "
    assert corpus.sha256 == sha256(b"fifth third fourth first second ")
    assert corpus.name == "books"
    assert open_corpus(iter(given)) == corpus


def test_catalog_names_may_stand_among_several(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.txt", "some text of my own")
    bundled = corpus_path(CATALOG[DEFAULT_CORPUS]).read_text("utf-8")
    assert open_corpus([DEFAULT_CORPUS, mine]).text == bundled + "some text of my own"


def test_no_text_at_all_is_a_clear_error() -> None:
    with pytest.raises((CorpusError, UsageError)):
        open_corpus([])


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "é and 東\n".encode()  # whatever the terminal's encoding is
    stand_in_for_stdin(monkeypatch, content)
    corpus = open_corpus("-")
    assert (corpus.name, corpus.text, corpus.source) == ("stdin", "é and 東\n", ("-",))
    assert corpus.sha256 == sha256(content)


def test_empty_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_stdin(monkeypatch, b"")
    with pytest.raises(CorpusError, match=r"^standard input is empty"):
        open_corpus("-")


def test_without_a_name_the_bundled_corpus_is_meant() -> None:
    corpus = open_corpus()
    entry = CATALOG[DEFAULT_CORPUS]
    assert (corpus.name, corpus.source) == (entry.name, (entry.name,))
    assert corpus.sha256 == entry.sha256
    assert corpus.normalization == entry.normalization
    assert not corpus.lossless
    raw = corpus_path(entry).read_bytes().decode()
    assert corpus.text == NORMALIZATIONS[entry.normalization](raw)
    assert open_corpus(entry.name) == corpus


def test_a_catalog_corpus_keeps_everything_when_told_to() -> None:
    corpus = open_corpus(DEFAULT_CORPUS, Reading(normalization="none"))
    assert corpus.text == corpus_path(CATALOG[DEFAULT_CORPUS]).read_bytes().decode()
    assert (corpus.normalization, corpus.lossless) == ("none", True)


def test_a_catalog_corpus_that_was_downloaded_before(
    time_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(time_machine, tmp_path / "time-machine.txt")
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    corpus = open_corpus("time-machine")
    assert len(corpus.text) == 173_428
    assert (corpus.name, corpus.normalization) == ("time-machine", "letters")
    assert corpus.sha256 == CATALOG["time-machine"].sha256


def test_a_string_is_a_corpus_too() -> None:
    corpus = Corpus.from_text("It’s 5!", name="mine", normalization="letters")
    assert (corpus.name, corpus.text, corpus.normalization) == ("mine", "it s ", "letters")
    assert not corpus.lossless
    assert corpus.sha256 == sha256("It’s 5!".encode())
    assert Corpus.from_text("abc").lossless
    with pytest.raises(UsageError, match="no normalization called 'letter'"):
        Corpus.from_text("abc", normalization="letter")


# What bytes become


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_normalizations_by_name(tmp_path: Path, name: str) -> None:
    text = "A b,\nC"
    corpus = open_corpus(write(tmp_path / "a.txt", text), Reading(normalization=name))
    assert corpus.text == NORMALIZATIONS[name](text)
    assert corpus.normalization == name
    assert corpus.lossless == (name == "none")


def test_a_text_that_a_normalization_leaves_alone_lost_nothing(tmp_path: Path) -> None:
    assert open_corpus(
        write(tmp_path / "a.txt", "a b c"), Reading(normalization="letters")
    ).lossless


def test_an_unknown_normalization_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'leters'.*Did you mean 'letters'\?"):
        open_corpus(write(tmp_path / "a.txt", "abc"), Reading(normalization="leters"))


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    marked = write(tmp_path / "a.txt", b"\xef\xbb\xbfone\n")
    plain = write(tmp_path / "b.txt", b"two\n")
    assert open_corpus(marked).text == "one\n"
    assert open_corpus([plain, marked]).text == "two\none\n"
    # Anywhere else U+FEFF is a character like others.
    inside = "x\ufeffy"
    assert open_corpus(write(tmp_path / "c.txt", inside)).text == inside


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"one\rtwo\r", "one\ntwo\n"),
        (b"one\r\n\rtwo\n\r\r\n", "one\n\ntwo\n\n\n"),
    ],
    ids=["CRLF", "CR", "score_with"],
)
def test_foreign_line_ends_become_line_feeds_and_are_spoken_of(
    tmp_path: Path, content: bytes, text: str
) -> None:
    corpus = open_corpus(write(tmp_path / "a.txt", content))
    assert corpus.text == text
    assert corpus.notes == ("Line ends were \\r\\n or \\r; they are read as \\n.",)
    assert not corpus.lossless
    assert corpus.sha256 == sha256(content)


def test_other_separators_are_no_line_ends(tmp_path: Path) -> None:
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\n"
    corpus = open_corpus(write(tmp_path / "a.txt", text))
    assert (corpus.text, corpus.notes, corpus.lossless) == (text, (), True)


@pytest.mark.parametrize(
    ("content", "byte", "offset"),
    [
        (b"\xff", "FF", "0"),
        (b"caf\xe9 au lait", "E9", "3"),
        ("東京".encode() + b"\x80", "80", "6"),
        (b"x" * 12_345 + b"\xc3(", "C3", "12,345"),
        (b"cut off \xe6\x9d", "E6", "8"),
        (b"\xef\xbb\xbfab\xff", "FF", "5"),
    ],
)
def test_bytes_that_are_no_utf_8_are_found_and_an_encoding_is_asked_for(
    tmp_path: Path, content: bytes, byte: str, offset: str
) -> None:
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(CorpusError) as refusal:
        open_corpus(path)
    assert f"byte 0x{byte} at offset {offset} " in refusal.value.message
    assert str(path) in refusal.value.message
    assert "utf-8" in refusal.value.message
    assert "--encoding" in refusal.value.hint


def test_of_several_files_the_bad_one_is_named(folder: Path) -> None:
    write(folder / "b.txt", b"ab\xff")
    with pytest.raises(CorpusError, match=r"b\.txt' is not utf-8 text: byte 0xFF at offset 2 "):
        open_corpus(folder)


def test_an_offset_counts_from_the_start_of_the_file_behind_a_mark_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"\xef\xbb\xbfab\xff")
    with pytest.raises(CorpusError, match="byte 0xFF at offset 5 "):
        open_corpus(path, Reading(encoding="utf-8-sig"))


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "gb18030"]
)
def test_other_encodings_by_name(tmp_path: Path, encoding: str) -> None:
    text = "Ein é, 東京, \N{GRINNING FACE}\n"
    corpus = open_corpus(
        write(tmp_path / "a.txt", text.encode(encoding)), Reading(encoding=encoding)
    )
    assert corpus.text == text
    assert corpus.sha256 == sha256(text.encode(encoding))


def test_one_byte_encodings_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"\xcf\xf0\xe8")
    assert open_corpus(path, Reading(encoding="cp1251")).text == "При"
    assert open_corpus(path, Reading(encoding="latin-1")).text == "Ïðè"


def test_a_marked_file_in_a_named_encoding_has_no_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffabc".encode("utf-16-le"))
    assert open_corpus(path, Reading(encoding="utf-16-le")).text == "abc"


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex", "undefined"])
def test_what_is_no_encoding_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(SettingError, match=f"^encoding '{encoding}' is not known"):
        open_corpus(write(tmp_path / "a.txt", "abc"), Reading(encoding=encoding))


def test_a_cut_off_utf_16_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "abc".encode("utf-16")[:-1])
    with pytest.raises(CorpusError, match="is not utf-16 text: byte 0x63 at offset 6 "):
        open_corpus(path, Reading(encoding="utf-16"))


def test_a_binary_file_is_refused_and_utf_16_offered(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "some text".encode("utf-16-le"))
    with pytest.raises(CorpusError) as refusal:
        open_corpus(path)
    assert f"'{path}' has a NUL byte at offset 1:" in refusal.value.message
    assert "--encoding" in refusal.value.hint


def test_a_nul_in_wide_characters_is_found_where_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "ab\0c".encode("utf-16-le"))
    with pytest.raises(CorpusError, match="at offset 4:"):
        open_corpus(path, Reading(encoding="utf-16-le"))


# Nothing there


def test_an_empty_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"")
    with pytest.raises(CorpusError, match=r"a\.txt is empty"):
        open_corpus(path)
    with pytest.raises(CorpusError, match="is empty"):
        open_corpus(write(tmp_path / "b.txt", b"\xef\xbb\xbf"))


def test_an_empty_file_among_others_does_no_harm(folder: Path) -> None:
    write(folder / "a.txt", b"")
    assert open_corpus(folder).text == "second \nthird \nfourth \nfifth "


def test_a_folder_without_texts(tmp_path: Path) -> None:
    write(tmp_path / "books" / "a.pdf", "x")
    write(tmp_path / "books" / ".a.txt", "x")
    with pytest.raises(CorpusError) as refusal:
        open_corpus(tmp_path / "books")
    assert f"The folder '{tmp_path / 'books'}' holds no text files" in refusal.value.message
    assert ".txt, .text, .md" in refusal.value.message
    assert "books/*" in refusal.value.hint


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("time-machin", "time-machine"),
        ("Tiny-Shakespear", "tiny-shakespeare"),
        ("enwiki8", "enwik8"),
    ],
)
def test_no_such_file_is_answered_with_the_nearest_corpus(typo: str, meant: str) -> None:
    with pytest.raises(CorpusError) as refusal:
        open_corpus(typo)
    assert refusal.value.message == f"There is no file and no corpus called '{typo}'."
    assert f"Did you mean '{meant}'?" in refusal.value.hint


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("books/nothing.txt", id="missing"),
        pytest.param("nothing-*.txt", id="glob"),
        pytest.param("~no-such-user-of-this-machine/book.txt", id="home of nobody"),
        pytest.param("a text in place of a file's name " * 20, id="too long for a name"),
        pytest.param("a\0b", id="NUL"),
    ],
)
def test_what_names_no_file_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError):
        open_corpus(given)


def test_of_several_the_missing_one_is_named(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"called '.*missing\.txt'"):
        open_corpus([folder / "a.txt", folder / "missing.txt"])


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", "abc")

    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CorpusError) as refusal:
        open_corpus(path)
    assert refusal.value.message == f"Cannot read '{path}': permission denied."


@pytest.mark.parametrize("content", ["東京\n", "\n\n", "123"])
def test_a_normalization_that_leaves_nothing(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "mine.txt", content)
    with pytest.raises(CorpusError) as refusal:
        open_corpus(path, Reading(normalization="letters-by-line"))
    assert "Nothing of mine is left" in refusal.value.message
    assert "'letters-by-line'" in refusal.value.message
    assert "--normalize none" in refusal.value.hint


# Splits

percentages = st.tuples(st.integers(0, 99), st.integers(0, 99)).filter(lambda each: sum(each) < 100)


def shares(val: int, test: int, **more: Any) -> TextConfig:
    more = {"val_characters": 10**9, **more}
    return TextConfig(val_fraction=val / 100, test_fraction=test / 100, **more)


def lengths(splits: Splits) -> tuple[int, int, int]:
    return (splits.size("train"), splits.size("val"), splits.size("test"))


@settings(deadline=None, max_examples=200)
@given(st.integers(300, 3_000_000), percentages)
def test_spans_follow_one_another_and_cover_the_text(
    characters: int, percent: tuple[int, int]
) -> None:
    assume(characters * (100 - sum(percent)) >= 300)
    splits = Splits.of(characters, shares(*percent))
    spans = [splits.train, splits.val, splits.test]
    assert spans[0][0] == 0
    assert spans[-1][1] == characters
    for (start, stop), (following, _) in zip(spans, [*spans[1:], (characters, 0)], strict=True):
        assert start <= stop == following
    assert splits.span("all") == (0, characters)
    assert sum(lengths(splits)) == splits.size("all") == characters


@settings(deadline=None, max_examples=200)
@given(st.integers(1_000, 3_000_000), percentages)
@example(100_000_000, (5, 50))
@example(1_000_000_000, (0, 80))
def test_shares_are_right_to_the_character(characters: int, percent: tuple[int, int]) -> None:
    """Counted in whole hundredths, so that no rounding of floats can move a border."""
    val, test = percent
    splits = Splits.of(characters, shares(val, test))
    assert splits.size("train") == characters * (100 - val - test) // 100
    assert 0 <= splits.size("val") - characters * val / 100 < 2
    assert abs(splits.size("test") - characters * test / 100) < 1


@settings(deadline=None, max_examples=100)
@given(st.integers(300, 3_000_000), st.integers(1, 90))
def test_a_split_that_is_not_asked_for_is_empty(characters: int, percent: int) -> None:
    assert Splits.of(characters, shares(percent, 0)).size("test") == 0
    assert Splits.of(characters, shares(0, percent)).size("val") == 0
    assert lengths(Splits.of(characters, shares(0, 0))) == (characters, 0, 0)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="Tiny Shakespeare is not at hand")
def test_nanogpts_split_of_tiny_shakespeare() -> None:
    text = SHAKESPEARE.read_bytes().decode()
    splits = Splits.of(len(text), TextConfig(val_fraction=0.1))
    assert lengths(splits) == (1_003_854, 111_540, 0)
    n = len(text)
    assert splits.of_text(text, "train") == text[: int(n * 0.9)]
    assert splits.of_text(text, "val") == text[int(n * 0.9) :]


def test_nanogpts_split() -> None:
    splits = Splits.of(1_115_394, TextConfig(val_fraction=0.1))
    assert splits == Splits((0, 1_003_854), (1_003_854, 1_115_394), (1_115_394, 1_115_394))


def test_test_is_the_end_and_val_stands_before_it() -> None:
    splits = Splits.of(1000, TextConfig(val_fraction=0.1, test_fraction=0.2))
    assert splits == Splits((0, 700), (700, 800), (800, 1000))
    text = "".join(map(chr, range(1000, 2000)))
    assert splits.of_text(text, "val") == text[700:800]
    assert splits.of_text(text, "test") == text[800:]
    assert splits.of_text(text, "all") == text


def test_training_on_the_first_characters_only_moves_no_other_border() -> None:
    whole = Splits.of(1000, TextConfig(val_fraction=0.1))
    first = Splits.of(1000, TextConfig(val_fraction=0.1, train_characters=300))
    assert first == Splits((0, 300), whole.val, whole.test)
    more = Splits.of(1000, TextConfig(val_fraction=0.1, train_characters=901))
    assert more == whole
    assert Splits.of(1000, TextConfig(train_characters=2)).size("train") == 2


@pytest.mark.parametrize(
    ("val", "test", "held_out"),
    [(10, 10, "test"), (0, 10, "test"), (10, 0, "val"), (0, 0, "train")],
)
def test_a_result_is_reported_on_what_was_held_out_longest(
    val: int, test: int, held_out: str
) -> None:
    assert Splits.of(1000, shares(val, test)).held_out == held_out


def test_an_unknown_split_is_answered_with_the_known() -> None:
    with pytest.raises(UsageError, match=r"no split called 'valid'.*train, val, test, all"):
        Splits.of(100, TextConfig()).span("valid")


def needed(characters: int, config: TextConfig) -> int | None:
    """How many characters the refusal asks for; None where there is none."""
    try:
        Splits.of(characters, config)
    except CorpusError as refusal:
        found = re.search(r"needs at least ([\d,]+)\.$", refusal.message)
        assert found, refusal.message
        return int(found[1].replace(",", ""))
    return None


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 60), percentages)
@example(20, (2, 50))
def test_a_text_that_is_too_short_is_told_exactly_how_long_it_must_be(
    characters: int, percent: tuple[int, int]
) -> None:
    config = shares(*percent)
    asked = needed(characters, config)
    if asked is None:
        sizes = lengths(Splits.of(characters, config))
        wanted = (True, *map(bool, percent))
        assert all(size >= 2 for size, each in zip(sizes, wanted, strict=True) if each)
        return
    assert asked > characters
    assert asked == characters + 1 or needed(asked - 1, config) is not None
    for enough in range(asked, asked + 100):
        assert needed(enough, config) is None, enough


def test_how_short_a_text_is_and_what_helps() -> None:
    with pytest.raises(CorpusError) as refusal:
        Splits.of(1, TextConfig(val_fraction=0.1))
    assert refusal.value.message == "The text has 1 character; training needs at least 11."
    assert "--val-fraction" in refusal.value.hint
    with pytest.raises(CorpusError, match=r"has 0 characters; training needs at least 2\."):
        Splits.of(0, TextConfig(val_fraction=0))
    assert lengths(Splits.of(11, TextConfig(val_fraction=0.1))) == (9, 2, 0)


def test_a_tiny_share_is_refused_at_once() -> None:
    """However long the text would have to be, nobody waits for the answer."""
    began = time.perf_counter()
    assert needed(100, TextConfig(val_fraction=1e-6)) == 1_000_001
    assert time.perf_counter() - began < 0.5


def test_no_more_is_held_out_than_can_be_scored_in_good_time() -> None:
    splits = Splits.of(100_000_000, TextConfig())
    assert splits.val == (99_000_000, 100_000_000)
    assert splits.train == (0, 99_000_000)
    few = Splits.of(1000, TextConfig(val_characters=30, test_fraction=0.1))
    assert (few.train, few.val, few.test) == ((0, 870), (870, 900), (900, 1000))
