"""Trees of texts: the same rows from a folder and from any archive of it."""

import tempfile
from pathlib import Path

import pytest
from archives import pack, put_imdb_here, reviews, unpack
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CorpusError
from charlm.tables.sources import fetch_named, open_table
from charlm.text.catalog import CATALOG

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
NAMES = st.sampled_from(["train", "test", "neg", "unsup", ".git", "a.txt", "x"])
FILES = st.sampled_from(["1.txt", "2.TEXT", "a.csv", ".hidden.txt", "._1.txt", "README"])
TREES = st.dictionaries(
    st.tuples(st.lists(NAMES, max_size=3), FILES).map(lambda each: "/".join([*each[0], each[1]])),
    st.text("ab\n ", max_size=5).map(str.encode),
    max_size=8,
)


def rows(path: Path | str) -> list[dict[str, str]]:
    return [dict(row) for row in open_table(path)]


def by_file(path: Path) -> list[dict[str, str]] | str:
    """The rows of a tree in an order that does not depend on how it is kept, or the error."""
    try:
        return sorted(rows(path), key=lambda row: row["file"])
    except CorpusError as error:
        return error.message.partition(" has ")[2]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("top", ["aclImdb/", "", "./"])
def test_an_archive_of_aclimdb_has_the_rows_of_its_folder(
    tmp_path: Path, suffix: str, top: str
) -> None:
    files = {name.replace("aclImdb/", top, 1): text for name, text in reviews().items()}
    unpack(reviews(), tmp_path)
    path = pack(tmp_path / f"mine{suffix}", files)
    table = open_table(path)
    assert table.columns == ("text", "label", "file", "part")
    assert (table.name, table.source) == ("mine", (str(path.resolve()),))
    assert by_file(path) == by_file(tmp_path / "aclImdb")
    found = list(table)
    assert found == list(table)  # It is read again.
    assert {(row["part"], row["label"]) for row in found} == {
        (part, label) for part in ("train", "test") for label in ("neg", "pos")
    }
    assert len(found) == 80
    # In the order of the archive, whose test part comes first.
    assert [row["part"] for row in found] == ["test"] * 40 + ["train"] * 40
    assert found[0]["text"].encode() == reviews()["aclImdb/test/neg/0_3.txt"]


@settings(max_examples=200, deadline=None)
@given(TREES, st.sampled_from(SUFFIXES))
def test_any_archive_has_the_rows_of_the_folder_that_it_is_unpacked_to(
    files: dict[str, bytes], suffix: str
) -> None:
    """Or of the only folder in that one, if there are texts in folders."""
    # A folder cannot have the name of a file beside it.
    files = {
        name: text
        for name, text in files.items()
        if not any(other.startswith(f"{name}/") for other in files)
    }
    texts = [name for name in files if name.lower().endswith((".txt", ".text"))]
    shown = [name.split("/") for name in texts if not name.startswith(".") and "/." not in name]
    tops = {name[0] for name in shown if len(name) > 1}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "unpacked")
        root.mkdir()
        unpack(files, root)
        readings = [by_file(root)]
        if len(tops) == 1 and not tops & {"train", "test"}:
            readings.insert(0, by_file(root / tops.pop()))
        expected = next((each for each in readings if isinstance(each, list)), readings[-1])
        assert by_file(pack(Path(folder, f"a{suffix}"), files)) == expected


def test_a_folder_for_each_label_and_no_parts(tmp_path: Path) -> None:
    files = {"pets/cat/1.txt": b"mew", "pets/dog/1.txt": b"woof", "pets/readme.txt": b"Pets."}
    expected = [
        {"text": "mew", "label": "cat", "file": str(Path("cat/1.txt"))},
        {"text": "woof", "label": "dog", "file": str(Path("dog/1.txt"))},
    ]
    assert rows(pack(tmp_path / "pets.zip", files)) == expected
    # What macOS adds is hidden.
    added = {"__MACOSX/pets/cat/._1.txt": b"\0\5\x16\7", "pets/.DS_Store": b"\0"}
    assert rows(pack(tmp_path / "mac.zip", files | added)) == expected


def test_only_one_label_is_no_folder_above(tmp_path: Path) -> None:
    assert rows(pack(tmp_path / "a.tar", {"pos/1.txt": b"good"})) == [
        {"text": "good", "label": "pos", "file": str(Path("pos/1.txt"))}
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_tree_of_texts(tmp_path: Path, suffix: str) -> None:
    for files in ({}, {"a.txt": b"x"}, {"train/unsup/1.txt": b"x"}, {"a/b/c/d.txt": b"x"}):
        with pytest.raises(CorpusError, match=r"has no folders of text files \(\.txt, \.text\)"):
            rows(pack(tmp_path / f"a{suffix}", files))
    with pytest.raises(CorpusError, match=r"'b/1\.txt' in '.*' is not utf-8 text: line 2 "):
        rows(pack(tmp_path / f"b{suffix}", {"a/1.txt": b"ok", "b/1.txt": b"\n\xff"}))


def test_a_text_that_is_there_twice(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", [("x/a/1.txt", b"old"), ("x/b/2.txt", b""), ("x/a/1.txt", b"")])
    with pytest.raises(CorpusError, match=r"holds 'x/a/1\.txt' twice"):
        rows(path)


def test_the_catalogs_corpus_with_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_imdb_here(tmp_path, monkeypatch)
    table = open_table("imdb")
    assert (table.name, table.source) == ("imdb", ("imdb",))
    assert list(table) == rows(path)
    # Whatever else has that name, the catalog's is meant, as with texts.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imdb").mkdir()
    assert list(open_table(["imdb"])) == list(open_table(table.source)) == rows(path)


def test_what_is_named_is_fetched_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that bytes can be reported as they come."""
    fetched = []
    monkeypatch.setattr(
        "charlm.tables.sources.fetch", lambda entry, report: fetched.append((entry.name, report))
    )
    report = print
    for source in ("imdb", Path("imdb"), ["a.csv", "imdb"], "text8", [{"text": "imdb"}], {}, None):
        fetch_named(source, report)
    assert fetched == [("imdb", report)] * 3


def test_corpora_without_labels_and_those_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    for name in set(CATALOG) - {"imdb"}:
        with pytest.raises(CorpusError, match=f"'{name}' has no labels.*with labels: imdb"):
            open_table(name)
    with pytest.raises(CorpusError, match=r"forbids .* a table or a text of your own"):
        open_table("imdb")
    # A table of one's own may have the name of a text.
    Path("shakespeare").write_text("text,label\na,b\n")
    assert rows("shakespeare") == [{"text": "a", "label": "b"}]
