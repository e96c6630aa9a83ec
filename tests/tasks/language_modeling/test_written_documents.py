"""Writing whole documents, words and bytes."""

from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm as command

import charlm
from charlm import Corpus, Run
from charlm.errors import RunError, SettingError

NAMES = ["ana", "ben", "bea", "ella", "jon", "lea"]
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "embedding_size": 4,
    "batch_size": 4,
    "seq_length": 6,
    "precision": "fp32",
    "learning_rate": 0.02,
    "val_fraction": 0.0,
    "output_dropout": 0.0,
    "weight_drop": 0.0,
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that knows its few names by heart, more or less."""
    text = Corpus.from_text("\n".join(NAMES * 8), "names")
    folder = tmp_path_factory.mktemp("runs")
    return charlm.train(
        text, run="names", runs_dir=folder, documents="lines", max_steps=250, **TINY
    )


def test_it_has_learned_where_names_end(names: Run) -> None:
    texts = names.samples(num_samples=40, seed=0)
    assert sum(each in NAMES for each in texts) > 10


def test_novel_names_stand_nowhere_in_the_training_text(names: Run) -> None:
    plain = names.samples(num_samples=400, seed=0)
    wanted = [each for each in plain if each not in NAMES]
    found = names.samples(num_samples=3, seed=0, novel=True)
    assert found == wanted[:3]
    unique = names.samples(num_samples=3, seed=0, novel=True, unique=True)
    assert unique == list(dict.fromkeys(wanted))[:3]


def test_unique_names_are_the_first_of_each(names: Run) -> None:
    plain = names.samples(num_samples=400, seed=1)
    assert names.samples(num_samples=5, seed=1, unique=True) == list(dict.fromkeys(plain))[:5]


def test_novel_is_said_of_the_whole_name(names: Run) -> None:
    found = names.samples("be", num_samples=4, seed=2, novel=True)
    assert all(each.startswith("be") and each not in NAMES for each in found)


def test_too_few_are_said(names: Run) -> None:
    told: list[str] = []
    found = names.samples(num_samples=20, seed=0, unique=True, temperature=0.01, notify=told.append)
    assert 0 < len(found) < 20
    assert told == [
        f"Of 1,280 documents only {len(found)} are unique: a higher temperature may write more."
    ]


def test_what_makes_no_sense_is_refused(names: Run, tmp_path: Path) -> None:
    for how, problem in (
        ({"best_of": 3, "novel": True}, "novel does not go with --best-of"),
        ({"beams": 3, "unique": True}, "unique does not go with --beams"),
        ({"temperature": 0, "unique": True}, "unique does nothing at --temperature 0"),
    ):
        with pytest.raises(SettingError, match=problem):
            names.samples(**how)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="is of one prefix, and there are many"):
        list(names.generate_each(["a", "b"], novel=True))
    running = charlm.train(
        Corpus.from_text("some running text " * 9), runs_dir=tmp_path, max_steps=1, **TINY
    )
    with pytest.raises(SettingError, match="is of whole documents"):
        running.samples(novel=True)


def test_a_missing_text_is_said(names: Run, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "names"
    shutil.copytree(names.path, folder)
    (folder / "corpus.txt").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        charlm.load(folder).samples(novel=True)


def test_beams_and_the_best_of_several_end_too(names: Run) -> None:
    assert names.generate(beams=4) in NAMES
    assert names.generate("be", beams=4) in ("ben", "bea")
    assert names.generate(best_of=20, seed=0) in NAMES


def test_a_penalty_does_not_keep_names_from_ending(names: Run) -> None:
    texts = names.samples(num_samples=20, seed=0, repetition_penalty=3.0, length=40)
    assert max(map(len, texts)) < 40


def test_many_prefixes_begin_a_name_each(names: Run) -> None:
    found = list(names.generate_each(["an", "le"], temperature=0))
    assert found == [[names.generate("an", temperature=0)], [names.generate("le", temperature=0)]]


def test_in_a_conversation_every_entry_begins_a_name(names: Run) -> None:
    folder = str(names.path.parent)
    result = command(
        *(
            "generate",
            "--run",
            "names",
            "--runs-dir",
            folder,
            "--interactive",
            "--temperature",
            "0",
        ),
        stdin="an\nle\nan\n",
    )
    alone = {each: names.generate(each, temperature=0) for each in ("an", "le")}
    assert result.code == 0
    assert result.out.split() == [alone["an"], alone["le"], alone["an"]]


@pytest.fixture(scope="module", params=["words", "bytes"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    text = Corpus.from_text("the éla sat. then it was gone, and\nthe sea lay still.\n" * 12)
    folder = tmp_path_factory.mktemp("runs")
    return charlm.train(text, runs_dir=folder, units=request.param, max_steps=60, **TINY)


@pytest.mark.parametrize(
    "how",
    [
        {"best_of": 4, "seed": 1},
        {"beams": 3},
        {"until_sentence_end": True, "seed": 1},
        {"ban": "sea", "seed": 1},
        {"stop": "é", "seed": 3},
        {"repetition_penalty": 1.5, "seed": 1},
        {"top_k": 3, "seed": 1, "num_samples": 1},
    ],
    ids=lambda how: next(iter(how)),
)
def test_all_ways_of_writing_know_other_units(other: Run, how: dict[str, Any]) -> None:
    text = other.generate("the", length=12, **how)
    assert text.startswith("the")
    assert "sea" not in text or "ban" not in how
    assert "é" not in text or "stop" not in how
    assert text == other.generate("the", length=12, **how)


def test_bytes_come_out_as_they_are(other: Run) -> None:
    if other.vocabulary.units != "bytes":
        pytest.skip("these are words")
    folder, name = str(other.path.parent), other.name
    how = ("--prefix", "é", "--length", "30", "--seed", "7", "--temperature", "3")
    shown = command("generate", "--run", name, "--runs-dir", folder, *how)
    text = other.generate("é", length=30, seed=7, temperature=3)
    assert len(text.encode("utf-8", "surrogateescape")) == 32
    assert shown.out == text + "\n"
    pieces = list(other.stream("é", length=30, seed=7, temperature=3))
    assert "".join(pieces) == text
