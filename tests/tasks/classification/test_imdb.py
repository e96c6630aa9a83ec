"""The corpus of film reviews by its name: trained on, gone on with, scored; a clean model first."""

from pathlib import Path
from typing import Any

import pytest
from archives import pack, put_imdb_here, reviews, unpack
from cli_runner import charlm as command

import charlm
from charlm.errors import CorpusError
from charlm.text.catalog import CATALOG, corpus_path

TINY: dict[str, Any] = {"task": "classification", "hidden_size": 6, "batch_size": 8, "epochs": 2}
SMALL = ("--hidden-size", "6", "--embedding-size", "4", "--batch-size", "4", "--max-steps", "3")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    return put_imdb_here(tmp_path, monkeypatch)


def test_it_is_trained_on_by_its_own_parts() -> None:
    said = command("train", "imdb", "--task", "classification", *SMALL)
    assert said.code == 0, said.err
    assert "Held-out text (test), 40 texts" in said.out
    run = charlm.load("imdb-gru-1").directory
    assert run.record.corpus["source"] == ["imdb"]
    assert run.record.splits == {"train": [0, 36], "val": [36, 40], "test": [40, 80]}
    assert run.labels.names == ("neg", "pos")  # type: ignore[attr-defined]


def test_words_of_a_preset_on_sentiment() -> None:
    said = command("train", "imdb", "--preset", "sentiment-gru", "--task", "classification", *SMALL)
    assert said.code == 0, said.err
    assert said.err.count("\n") < 20


def test_it_is_gone_on_with_and_scored_by_its_name() -> None:
    steps = iter(range(100))
    charlm.train("imdb", run="one", should_stop=lambda: next(steps) >= 3, **TINY)
    run = charlm.resume("one")
    assert run.evaluate().score.texts == 40
    assert run.evaluate(split="val").score.texts == 4
    # By its name it is a table as any other: all rows.
    assert run.evaluate("imdb").score.texts == 80
    assert command("eval", "imdb", "--run", "one", "--json").json["split"] == "all"


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_and_its_folder_are_one_table(here: Path, suffix: str) -> None:
    unpack(reviews(), Path())
    pack(Path(f"mine{suffix}"), reviews())
    charlm.train("aclImdb", run="folder", **TINY)
    charlm.train(f"mine{suffix}", run="archive", **TINY)
    assert charlm.load("folder").result["split"] == charlm.load("archive").result["split"] == "test"
    one, other = (
        charlm.load("folder").evaluate(each).score for each in ("aclImdb", f"mine{suffix}")
    )
    assert one.right == other.right
    assert one.loss == pytest.approx(other.loss)
    said = command("predict", f"mine{suffix}", "--run", "folder", "--json")
    assert said.out.count("\n") == 80


def test_a_model_of_its_other_texts_is_a_parent_that_has_read_nothing_held_out() -> None:
    assert command("train", "imdb", "--run", "reader", "--seq-length", "8", *SMALL).code == 0
    charlm.train("imdb", init_from="reader", run="child", **{**TINY, "hidden_size": None})
    assert charlm.load("child").directory.record.parent == "reader"
    # One that has read the reviews with labels is refused.
    unpack(reviews(), Path())
    charlm.train("aclImdb", run="spoiled", max_steps=1, hidden_size=4)
    with pytest.raises(CorpusError, match="44 held-out texts stand in the text of 'spoiled'"):
        charlm.train("imdb", init_from="spoiled", **{**TINY, "hidden_size": None})


def test_what_it_is_can_be_asked(here: Path) -> None:
    (listed,) = [row for row in command("corpus", "list", "--json").json if row["name"] == "imdb"]
    assert listed["here"] == "yes"
    assert listed["labelled"]
    assert "Maas et al. 2011" in listed["title"]
    assert command("corpus", "download", "imdb").out == f"{here}\n"
    shown = command("corpus", "show", "imdb")
    assert "Of imdb, 20 texts without a label are read." in shown.err
    assert str(here) in shown.out
    assert "Film train unsup 0: a odd film" in shown.out


def test_where_it_cannot_be_had(here: Path) -> None:
    here.unlink()
    for words in (("--task", "classification"), ("--task", "regression"), ()):
        said = command("train", "imdb", *words)
        assert said.code == 1
        assert "CHARLM_OFFLINE forbids downloading" in said.err
    assert not Path("runs").exists()


def test_damaged_in_the_cache(here: Path) -> None:
    here.write_bytes(here.read_bytes()[:-40] + bytes(40))
    for words in (("--task", "classification"), ()):
        said = command("train", "imdb", *words)
        assert said.code == 1
        assert "imdb.tar.gz' is damaged" in said.err
        assert "Delete it and get it again" in said.err
    assert corpus_path(CATALOG["imdb"]) == here


def test_tasks_and_corpora_that_do_not_fit() -> None:
    said = command("train", "imdb", "--task", "regression")
    assert (said.code, said.out) == (1, "")
    assert "which is no number" in said.err
    said = command("train", "text8", "--task", "classification")
    assert (said.code, said.out) == (1, "")
    assert "The corpus 'text8' has no labels." in said.err
