"""A corpus with labels as a text: its texts without one, none of those that have one."""

from pathlib import Path

import pytest
from archives import put_imdb_here, reviews

from charlm.errors import CorpusError
from charlm.text.corpus import open_corpus
from charlm.text.unlabelled import BEGINNING

FOLDER = "aclImdb/train/unsup"


def test_it_is_the_texts_without_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_imdb_here(tmp_path, monkeypatch)
    corpus = open_corpus("imdb")
    unlabelled = [text for name, text in reviews().items() if name.startswith(FOLDER)]
    assert corpus.text.encode() == b"".join(each + b"\n" for each in unlabelled)
    assert len(unlabelled) == 20
    assert (corpus.name, corpus.source, corpus.normalization) == ("imdb", ("imdb",), "none")
    assert corpus.notes == ("Of imdb, 20 texts without a label are read.",)
    assert corpus == open_corpus(["imdb"])
    assert "<br />" in corpus.text


def test_what_begins_as_a_text_with_a_label_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = b"x" * BEGINNING
    files = {
        f"{FOLDER}/1.txt": b"short\n",
        f"{FOLDER}/2.txt": b"short and more",
        f"{FOLDER}/3.txt": long + b" one end",
        f"{FOLDER}/4.txt": b"x" + long,
        f"{FOLDER}/5.txt": b"y" + long,
        "aclImdb/test/pos/1.txt": long + b" another end",
        "aclImdb/train/neg/1.txt": b"short",
    }
    put_imdb_here(tmp_path, monkeypatch, files)
    corpus = open_corpus("imdb")
    assert corpus.text == f"short\nshort and more\ny{long.decode()}\n"
    assert corpus.notes == (
        "Of imdb, 3 texts without a label are read; 2 that begin as one with a label are left out.",
    )


def test_among_other_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_imdb_here(tmp_path, monkeypatch)
    (tmp_path / "mine.txt").write_text("mine")
    corpus = open_corpus([tmp_path / "mine.txt", "imdb"])
    assert corpus.text.startswith("mine\nFilm train unsup 0: an odd"[:20])
    assert corpus.source == (str((tmp_path / "mine.txt").resolve()), "imdb")


def test_another_archive_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_imdb_here(tmp_path, monkeypatch, {"aclImdb/train/pos/1.txt": b"good"})
    with pytest.raises(CorpusError, match=f"has no texts in '{FOLDER}'"):
        open_corpus("imdb")
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(CorpusError, match=r"imdb\.tar\.gz' is damaged.*get it again"):
        open_corpus("imdb")
