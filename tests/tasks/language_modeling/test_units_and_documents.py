"""Runs over words, bytes and documents, from training to writing."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file

import charlm
from charlm import Corpus, Run
from charlm.errors import CorpusError, RunError, SettingError, UsageError
from charlm.scoring.spelling import spelling_nats
from charlm.text.documents import documents_of
from charlm.text.tokens import DOCUMENT

PROSE = "the time traveller smiled, and the time machine stood still.\nhe went: so it was.\n" * 8
NAMES = sorted(
    {f"{a}{b}{c}" for a in ("an", "be", "jo") for b in "lnr" for c in ("a", "is", "ella")}
)
KINDS: dict[str, dict[str, Any]] = {
    "words": {"units": "words"},
    "bytes": {"units": "bytes"},
    "lines": {"documents": "lines"},
    "words-in-lines": {"units": "words", "documents": "lines", "min_count": 1},
    "bytes-in-lines": {"units": "bytes", "documents": "lines"},
}
TINY: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "precision": "fp32",
    "max_steps": 12,
    "eval_every": 4,
}


def text_of(kind: str) -> Corpus:
    return Corpus.from_text("\n".join(NAMES) + "\n" if "lines" in kind else PROSE, kind)


def trained(kind: str, folder: Path, **settings: Any) -> Run:
    return charlm.train(text_of(kind), runs_dir=folder, **{**TINY, **KINDS[kind], **settings})


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_and_resumed_it_is_the_same_run(kind: str, tmp_path: Path) -> None:
    whole = trained(kind, tmp_path, run="whole", dropout=0.0, output_dropout=0.3)
    asked = itertools.count()
    trained(
        kind,
        tmp_path,
        run="parts",
        output_dropout=0.3,
        should_stop=lambda: next(asked) >= 7,
    )
    parts = charlm.resume("parts", runs_dir=tmp_path)
    for file in ("best/model.safetensors", "last/model.safetensors", "last/training.safetensors"):
        if (whole.path / file).exists():
            one, other = load_file(whole.path / file), load_file(parts.path / file)
            for name, array in one.items():
                np.testing.assert_array_equal(array, other[name], err_msg=name)
    scores = [[row["nats"] for row in run.metrics()] for run in (whole, parts)]
    assert scores[0] == scores[1]
    assert whole.result["score"] == parts.result["score"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_final_score_is_that_of_eval(kind: str, tmp_path: Path) -> None:
    run = trained(kind, tmp_path)
    found = run.evaluate()
    assert found.to_json()["nats"] == pytest.approx(run.result["score"]["nats"], rel=1e-5)
    assert set(run.result["baselines"]) == {"uniform", "unigram", "6-gram", "xz", "ppm"}
    assert (
        found.score.tokens == len(found.tokens) - 1 == run.result["score"][f"{found.score.item}s"]
    )
    # Line by line it is the same.
    assert sum(each.score.tokens for each in found.lines) == found.score.tokens
    assert math.fsum(each.score.nats for each in found.lines) == pytest.approx(found.score.nats)
    # And so from another spelling of the same text.
    text = "\n".join(NAMES) if "lines" in kind else PROSE
    if kind != "bytes":
        again = run.evaluate(
            Corpus.from_text(text.replace("\n", "\r\n") + "\r\n" * ("lines" in kind))
        )
        assert again.split == found.split
        assert again.score == found.score


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_there_to_see(kind: str, tmp_path: Path) -> None:
    run = trained(kind, tmp_path, run="it")
    folder = ("--runs-dir", str(tmp_path))
    shown = command("eval", "--run", "it", "--json", *folder)
    item = {"w": "word", "b": "byte", "l": "character"}[kind[0]]
    content = shown.json
    assert content[f"{item}s"] == run.result["score"][f"{item}s"]
    assert content[f"bits_per_{item}"] == pytest.approx(
        content["nats"] / math.log(2) / content[f"{item}s"]
    )
    for arguments in (
        ("eval", "--run", "it"),
        ("eval", "--run", "it", "--per-line", "--dynamic", "--calibrate"),
        ("runs", "show", "it"),
        ("runs", "list"),
        ("report", "it", "--out", str(tmp_path / "page.html")),
        ("plot", "it"),
    ):
        result = command(*arguments, *folder)
        assert result.code == 0, (arguments, result.err)
        assert "Traceback" not in result.err
        assert DOCUMENT not in result.out
    if kind.startswith("words"):
        assert command("inspect", "surprise", "--run", "it", *folder).code == 2
    else:
        assert command("inspect", "surprise", "--run", "it", *folder).code == 0


def test_names_are_written_whole(tmp_path: Path) -> None:
    run = trained("lines", tmp_path, run="names")
    texts = run.samples(num_samples=20, seed=0, length=30)
    assert len(texts) == 20
    assert all(set(each) <= set("".join(NAMES)) for each in texts)
    assert any(len(each) < 30 for each in texts)
    assert all(each.startswith("an") for each in run.samples("an", num_samples=5, seed=1))
    assert all(len(each) <= 2 for each in run.samples(num_samples=20, seed=0, length=2))


def test_held_out_names_are_those_that_were_never_read(tmp_path: Path) -> None:
    run = trained("lines", tmp_path, val_fraction=0.3, test_fraction=0.2)
    parts = {
        split: {each.text for each in run.evaluate(split=split).lines}
        for split in ("train", "val", "test", "all")
    }
    assert parts["train"] | parts["val"] | parts["test"] == parts["all"] == set(NAMES)
    assert len(parts["train"]) + len(parts["val"]) + len(parts["test"]) == len(NAMES)
    # The seed does not matter, so that runs with other seeds can be compared.
    other = trained("lines", tmp_path, val_fraction=0.3, test_fraction=0.2, seed=5)
    assert {each.text for each in other.evaluate(split="test").lines} == parts["test"]


def test_files_of_a_folder_are_documents(tmp_path: Path) -> None:
    folder = tmp_path / "poems"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(f"line {number}\nof a poem\n", encoding="utf-8")
    run = charlm.train(folder, runs_dir=tmp_path / "runs", documents="files", **TINY)
    lines = run.evaluate(split="all").lines
    assert sorted(each.text for each in lines) == sorted(
        f"line {number}\nof a poem" for number in range(12)
    )
    resumed = charlm.resume(run.path, max_steps=14)
    assert resumed.result["steps"] == 14


def test_a_text_without_such_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="has no '===' between its documents"):
        charlm.train(text_of("words"), runs_dir=tmp_path, documents="===", **TINY)
    for name, value in (
        ("sampling", "random"),
        ("random_lengths", True),
        ("reset_probability", 0.1),
    ):
        with pytest.raises(SettingError, match="is of running text"):
            charlm.train(
                text_of("lines"), runs_dir=tmp_path, documents="lines", **{**TINY, name: value}
            )
    assert not list(tmp_path.iterdir())


def test_a_word_run_spells_what_it_lacks(tmp_path: Path) -> None:
    run = trained("words", tmp_path)
    known, odd = "the time machine", "the quixotic machine"
    plain, spelled = (run.evaluate(Corpus.from_text(each)) for each in (known, odd))
    assert (plain.spelling, spelled.unknown_characters) == (0.0, 1)
    assert spelled.spelling == pytest.approx(spelling_nats(run.vocabulary, [" quixotic"]))
    figures = dict(spelled.per_other_unit())
    total = spelled.score.nats + spelled.spelling
    # The first word is predicted by nothing.
    assert figures["bits per character"] == pytest.approx(total / math.log(2) / (len(odd) - 3))
    assert figures["word perplexity"] == pytest.approx(math.exp(total / 2))


def test_words_are_joined_as_they_were_separated(tmp_path: Path) -> None:
    run = trained("words", tmp_path)
    text = run.generate("time traveller", length=40, seed=3)
    assert text.startswith("time traveller")
    assert "  " not in text
    assert " ," not in text
    assert " ." not in text


def test_bytes_are_exact(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4 + "Ä東\r\n".encode() * 40
    file = tmp_path / "any.bin"
    file.write_bytes(content)
    run = charlm.train(file, runs_dir=tmp_path / "runs", units="bytes", **TINY)
    found = run.evaluate(split="all")
    assert found.score.tokens == found.bytes_read == len(content) - 1
    assert run.vocabulary.entries.count("\x00") == 1
    persian = "سلام دنیا"
    other = run.evaluate(Corpus.from_text(persian))
    assert other.score.tokens == len(persian.encode()) - 1
    assert other.unknown_characters == 0
    # The first byte is half of the first character.
    assert other.characters == len(persian) - 1


def test_a_vocabulary_of_another_kind_is_refused(tmp_path: Path) -> None:
    run = trained("words", tmp_path)
    file = run.path / "vocabulary.json"
    content = json.loads(file.read_text())
    for units in ("characters", "bytes"):
        letters = [chr(40 + i) for i in range(len(content["words"]))]
        file.write_text(json.dumps({**content, units: letters, "words": None}))
        with pytest.raises(RunError, match=f"is of {units}, and the run of words"):
            charlm.load(run.path)


def test_runs_of_different_kinds_are_not_averaged(tmp_path: Path) -> None:
    one, other = trained("words", tmp_path), trained("bytes", tmp_path)
    from charlm.ensemble import evaluate_together

    with pytest.raises(UsageError, match="one reads words, the other bytes"):
        evaluate_together([one, other])


def test_a_list_on_standard_input_is_kept(tmp_path: Path) -> None:
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    result = command(
        *("train", "-", "--documents", "lines", "--run", "piped"),
        *("--runs-dir", str(tmp_path), *arguments),
        stdin="\n".join(NAMES),
    )
    assert result.code == 0, result.err
    run = charlm.load("piped", runs_dir=tmp_path)
    assert {each.text for each in run.evaluate(split="all").lines} == set(NAMES)
    kept = run.path / "corpus.txt"
    assert documents_of(kept.read_bytes().decode("utf-8", "surrogatepass")) == NAMES
