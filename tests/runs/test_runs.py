"""The run directory: what is written comes back, and what is damaged is one sentence."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from stored import create_run

import charlm
from charlm.config import ModelConfig, TextConfig, TextTrainConfig
from charlm.errors import CharlmError, RunError, UsageError
from charlm.files.whole import Arrays
from charlm.rnn.weights import model_shapes
from charlm.runs.deletion import delete_run, run_to_delete
from charlm.runs.directory import RunDirectory
from charlm.runs.names import check_free, check_name, free_names
from charlm.runs.record import Record
from charlm.runs.store import runs_folder
from charlm.tasks.registry import find_run, list_runs, open_run
from charlm.text.splits import Splits
from charlm.text.vocabulary import Vocabulary

TEXT = "the time traveller Ж\n"
VOCABULARY = Vocabulary.build(TEXT)
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
MODEL = ModelConfig(vocabulary_size=len(VOCABULARY), hidden_size=5)
WEIGHTS = {
    name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for name, shape in model_shapes(MODEL)
}
TENSORS = {"totals": np.array([1.0, np.nan]), "random/cpu": np.arange(9, dtype=np.uint8)}
SCALARS = {"counters": {"step": 3}, "scaler": {}}


def make_record(name: str = "one", created: str = "2026-01-01T00:00:00+00:00") -> Record:
    return Record(
        name=name,
        created=created,
        charlm="0.1.0",
        torch="2.13.0",
        backend="builtin",
        device="cpu",
        parameters=123,
        corpus={
            "name": "книга",
            "source": ["/books/книга.txt"],
            "normalization": "none",
            "sha256": DIGEST,
            "text_sha256": DIGEST,
            "lossless": True,
            "characters": len(TEXT),
        },
        splits={"train": [0, 16], "val": [16, 21], "test": [21, 21]},
        data=TextConfig(normalize="none").to_json(),
        model=MODEL.to_json(),
        train=TextTrainConfig(max_steps=7).to_json(),
    )


def make_run(
    folder: Path, name: str = "one", text: str | None = None, **about: Any
) -> RunDirectory:
    run = create_run(folder, make_record(name, **about), VOCABULARY, text)
    run.save_best(WEIGHTS)
    run.save_last(WEIGHTS, TENSORS, SCALARS)
    run.append_metrics({"step": 3, "nats": 1.5})
    return run


def assert_same(mine: Arrays, theirs: Arrays) -> None:
    assert mine.keys() == theirs.keys()
    for name, each in mine.items():
        np.testing.assert_array_equal(each, theirs[name])


def hidden(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


# There and back


def test_a_run_comes_back_as_it_was_made(tmp_path: Path) -> None:
    made = make_run(tmp_path / "deep" / "runs")
    run = open_run(tmp_path / "deep" / "runs" / "one")
    assert run.name == "one"
    assert run.path == made.path
    assert run.record == make_record()
    assert run.settings.model == MODEL
    assert run.settings.train == TextTrainConfig(max_steps=7)
    assert run.settings.data == TextConfig(normalize="none")
    assert run.spans == Splits((0, 16), (16, 21), (21, 21))
    assert run.record.status == "running"
    assert run.vocabulary == VOCABULARY
    assert run.vocabulary.counts == VOCABULARY.counts
    assert run.text is None
    assert run.metrics() == [{"step": 3, "nats": 1.5}]
    assert_same(run.load_weights(), WEIGHTS)
    weights, tensors, scalars = run.load_last()
    assert_same(weights, WEIGHTS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor)
    assert scalars == SCALARS
    assert hidden(tmp_path) == []


def test_the_folder_holds_what_it_says(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    files = sorted(
        str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()
    )
    assert files == [
        "best/model.safetensors",
        "last/model.safetensors",
        "last/training.json",
        "last/training.safetensors",
        "metrics.jsonl",
        "run.json",
        "vocabulary.json",
    ]


@pytest.mark.parametrize("text", ["plain", "a\r\nb\rc\n", "Все\u2028👍\x85", "\ufeffa", " \n"])
def test_a_stored_text_comes_back_character_by_character(text: str, tmp_path: Path) -> None:
    """Its spans are counted in characters, so not even a line end may change."""
    made = create_run(tmp_path, make_record(), VOCABULARY, text)
    assert made.text == text
    assert open_run(made.path).text == text


def test_a_stored_text_may_hold_half_a_surrogate_pair(tmp_path: Path) -> None:
    """Python's strings may, and the vocabulary knows them; a refusal is one sentence."""
    text = "a\ud83d b"
    try:
        made = create_run(tmp_path, make_record(), Vocabulary.build(text), text)
    except CharlmError:
        assert list(tmp_path.iterdir()) == []
        return
    assert made.text == text


def test_changes_of_the_record_are_on_the_disk(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    changes = {"status": "done", "result": {"steps": 15, "split": "val"}}
    run.update(**changes)
    record = open_run(run.path).record
    assert (record.status, record.result) == ("done", {"steps": 15, "split": "val"})
    assert record == replace(make_record(), **changes)


def test_the_last_weights_serve_where_none_scored_best_yet(tmp_path: Path) -> None:
    run = create_run(tmp_path, make_record(), VOCABULARY)
    with pytest.raises(RunError, match="no weights yet") as caught:
        run.load_weights()
    assert "charlm train --resume one" in caught.value.hint
    zeros = {name: np.zeros_like(each) for name, each in WEIGHTS.items()}
    run.save_last(zeros, TENSORS, SCALARS)
    assert_same(run.load_weights(), zeros)
    run.save_best(WEIGHTS)
    assert_same(run.load_weights(), WEIGHTS)


def test_the_resume_command_says_where_the_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(tmp_path))
    assert run.resume_command == "charlm train --resume one"
    monkeypatch.delenv("CHARLM_RUNS_DIR")
    assert run.resume_command == f"charlm train --resume one --runs-dir {tmp_path}"


def test_the_runs_folder_is_given_or_in_the_environment_or_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    assert runs_folder() == Path("runs")
    monkeypatch.setenv("CHARLM_RUNS_DIR", "/elsewhere")
    assert runs_folder() == Path("/elsewhere")
    assert runs_folder("given") == Path("given")
    assert runs_folder("~/x") == Path.home() / "x"


# Metrics


def test_rows_add_up(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.append_metrics({"step": 6, "perplexity": 2.25, "best": True, "note": None})
    assert run.metrics() == [
        {"step": 3, "nats": 1.5},
        {"step": 6, "perplexity": 2.25, "best": True, "note": None},
    ]


def test_a_line_cut_off_anywhere_is_no_row(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    row = json.dumps({"step": 6, "nats": 12.5})
    for length in range(len(row)):
        (run.path / "metrics.jsonl").write_text('{"step": 3, "nats": 1.5}\n' + row[:length])
        assert run.metrics() == [{"step": 3, "nats": 1.5}]
        run.forget_metrics_after(6)
        run.append_metrics({"step": 6})
        assert run.metrics() == [{"step": 3, "nats": 1.5}, {"step": 6}]


def test_rows_after_a_step_are_forgotten(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for step in (6, 9, 12):
        run.append_metrics({"step": step, "x": 0.1})
    run.forget_metrics_after(9)
    assert [row["step"] for row in run.metrics()] == [3, 6, 9]
    run.forget_metrics_after(8)
    assert [row["step"] for row in run.metrics()] == [3, 6]
    run.forget_metrics_after(0)
    assert run.metrics() == []


@pytest.mark.parametrize("line", ["[]", "3", "null", '"step"', '{"foreign": 1}', '{"step": "x"}'])
def test_a_foreign_line_among_the_metrics_is_no_traceback(line: str, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    try:
        run.forget_metrics_after(3)
        rows = run.metrics()
    except RunError:
        return
    assert {"step": 3, "nats": 1.5} in rows


# Damage

FILES = ["run.json", "vocabulary.json"]
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "cut before its end": lambda content: content.rstrip()[:-1],
    "binary": lambda _: bytes(range(256)),
    "a number": lambda _: b"7",
    "null": lambda _: b"null",
    "a string": lambda _: b'"format"',
    "a list": lambda _: b"[1, 2]",
    "another object": lambda _: b'{"name": "package", "version": "1.0"}',
    "an empty object": lambda _: b"{}",
    "nested too deep": lambda _: b"[" * 100_000,
}


def damage(path: Path, how: str) -> None:
    content = DAMAGES[how](path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_damage_is_one_sentence(name: str, how: str, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    damage(run.path / name, how)
    with pytest.raises(RunError) as caught:
        open_run(run.path)
    assert name in str(caught.value)
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "binary", "a list"])
@pytest.mark.parametrize("name", ["best/model.safetensors", "last/model.safetensors",
                                  "last/training.safetensors", "last/training.json"])  # fmt: skip
def test_damage_to_weights_and_training_state_is_one_sentence(
    name: str, how: str, tmp_path: Path
) -> None:
    run = make_run(tmp_path)
    damage(run.path / name, how)
    opened = open_run(run.path)
    if name == "last/training.json" and how == "a list":
        return  # what it says is looked at where it is used
    with pytest.raises(RunError) as caught:
        opened.load_weights() if name.startswith("best") else opened.load_last()
    assert Path(name).name in str(caught.value)
    assert "\n" not in caught.value.message


def test_weights_of_any_floating_type_are_read(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for dtype in (np.float16, np.float64):
        run.save_best({name: each.astype(dtype) for name, each in WEIGHTS.items()})
        assert_same(run.load_weights(), WEIGHTS)
    narrow = {name: torch.from_numpy(each).bfloat16() for name, each in WEIGHTS.items()}
    save_file(narrow, run.path / "best" / "model.safetensors")
    read = run.load_weights()
    assert_same(read, WEIGHTS)
    assert all(each.dtype == np.float32 for each in read.values())


@pytest.mark.parametrize("folder", ["best", "last"])
def test_weights_that_are_not_the_models_are_refused_at_the_door(
    folder: str, tmp_path: Path
) -> None:
    run = make_run(tmp_path)
    name = "rnn.weight_hh_l0"
    others = {other: each for other, each in WEIGHTS.items() if other != name}
    for wrong in (
        others,
        {**others, "renamed": WEIGHTS[name]},
        {**WEIGHTS, name: WEIGHTS[name][:-1]},
        {**WEIGHTS, name: WEIGHTS[name].astype(np.int32)},
        {**WEIGHTS, name: WEIGHTS[name] * np.float32("nan")},
        {**WEIGHTS, name: WEIGHTS[name] + np.float32("inf")},
    ):
        run.save_best(wrong) if folder == "best" else run.save_last(wrong, TENSORS, SCALARS)
        with pytest.raises(RunError, match=name) as caught:
            run.load_weights() if folder == "best" else run.load_last()
        assert f"{folder}/model.safetensors" in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("how", ["missing", "binary"])
def test_damage_to_the_metrics_is_one_sentence(how: str, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    damage(run.path / "metrics.jsonl", how)
    with pytest.raises(RunError, match=r"metrics\.jsonl"):
        open_run(run.path).metrics()


def test_a_newer_format_asks_for_a_newer_charlm(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    values = json.loads((run.path / "run.json").read_text())
    # A newer format may have other fields, too.
    (run.path / "run.json").write_text(json.dumps({**values, "format": 2, "new": {}}))
    with pytest.raises(RunError, match="newer charlm") as caught:
        open_run(run.path)
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("field", asdict(make_record()))
@pytest.mark.parametrize("value", ["absent", None, 7, "word", [], [1, "x"], {}, {"x": {}}], ids=str)
def test_a_wrong_field_is_a_sentence_or_of_no_consequence(
    field: str, value: Any, tmp_path: Path
) -> None:
    """Whatever a field holds, opening, listing and using the run raise no other exception."""
    run, other = make_run(tmp_path, text=TEXT), make_run(tmp_path, "other")
    values = json.loads((run.path / "run.json").read_text())
    if value == "absent":
        del values[field]
    else:
        values[field] = value
    (run.path / "run.json").write_text(json.dumps(values))
    assert other.name in [
        each.name for each in list_runs(tmp_path) if not isinstance(each, RunError)
    ]
    find_run(folder=tmp_path)
    try:
        opened = charlm.load(run.path)
        _ = opened.config, opened.vocabulary, opened.metrics(), repr(opened)
        opened.normalize("text")
        opened.evaluate()
    except CharlmError as error:
        assert "\n" not in error.message


NESTED = [
    (section, name)
    for section in ("corpus", "splits", "model")
    for name in asdict(make_record())[section]
]


@pytest.mark.parametrize(("section", "name"), NESTED)
@pytest.mark.parametrize("value", ["absent", None, -7, "word", [], {}], ids=str)
def test_a_wrong_entry_is_a_sentence_or_of_no_consequence(
    section: str, name: str, value: Any, tmp_path: Path
) -> None:
    """As above, one storey down."""
    run = make_run(tmp_path, text=TEXT)
    values = json.loads((run.path / "run.json").read_text())
    if value == "absent":
        del values[section][name]
    else:
        values[section][name] = value
    (run.path / "run.json").write_text(json.dumps(values))
    try:
        opened = charlm.load(run.path)
        _ = opened.config, opened.vocabulary, repr(opened)
        opened.normalize("text")
        opened.evaluate()
    except CharlmError as error:
        assert "\n" not in error.message


def test_the_vocabulary_of_another_run_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "vocabulary.json").write_text(Vocabulary.build("another one").to_json())
    with pytest.raises(RunError, match="another run"):
        open_run(run.path)


@pytest.mark.parametrize(
    "characters",
    [[1, 2], ["ab", "c"], ["", "a"], [None, "a"], [["a"], "b"], ["a", "a"], "aé", 7, {"a": 1}],
    ids=str,
)
def test_a_vocabulary_of_something_else_is_one_sentence(characters: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    entries = {"characters": characters, "counts": [1, 1], "unknown_count": 0}
    (run.path / "vocabulary.json").write_text(json.dumps(entries))
    run.record.model["vocabulary_size"] = 3
    run.update()
    try:
        opened = open_run(run.path)
    except RunError as error:
        assert "vocabulary.json" in str(error)
        return
    assert all(isinstance(each, str) and len(each) == 1 for each in opened.vocabulary.entries)
    opened.vocabulary.encode("a", "replace")


def test_a_run_whose_replacement_was_cut_off_has_what_it_had_before(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "best").rename(run.path / ".best.old")
    (run.path / "last").rename(run.path / ".last.old")
    opened = open_run(run.path)
    assert_same(opened.load_weights(), WEIGHTS)
    assert opened.load_last()[2] == SCALARS
    opened.save_best(WEIGHTS)
    assert not (run.path / ".best.old").exists()


def test_a_run_half_created_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(_: Vocabulary) -> str:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Vocabulary, "to_json", crash)
        with pytest.raises(Crash):
            make_run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    make_run(tmp_path)


# Names

BAD_NAMES = [
    "", " ", ".", "..", "a/b", "/a", "../a", "a\\b", ".hidden", "_", "-rf", "--run", "a b", "a\n",
    "a\0", "a.", "a:b", "a*", "x" * 101, "ж" * 128, "好" * 100, "👍",
    # Windows' devices
    "CON", "con", "con.txt", "Aux.tar.gz", "PRN", "nul", "COM1", "lpt9.log", "com\u00b9", "CONIN$",
    # Marks with nothing to stand on, joiners with nothing to join, direction, invisible blanks
    "\u0301a", "\u200da", "a\u200d", "a-\u200cb", "a\u202eb", "a\u2066b", "a\u200bb", "a\ufeffb",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name[:9]))
def test_a_name_that_can_be_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a run's name"):
        check_name(name)
    with pytest.raises(UsageError):
        check_free(tmp_path, name)
    with pytest.raises(UsageError):
        create_run(tmp_path / "runs", make_record(name), VOCABULARY)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name[:9]))
def test_a_name_that_can_be_no_folder_finds_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs")
    with pytest.raises(CharlmError):
        find_run(name, tmp_path / "runs")
    with pytest.raises(CharlmError):
        run_to_delete(name, tmp_path / "runs")


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "7",
        "time-machine-gru-1",
        "v1.2+b_c",
        "книга-gru-1",
        "日本",
        "हिन्दी",
        "தமிழ்",
        "é",
        "می\u200cخواهم",
        "ක්\u200dරම",
        "console",
        "COM10",
        "x" * 100,
    ],
)
def test_a_good_name_is_taken(name: str, tmp_path: Path) -> None:
    check_name(name)
    assert make_run(tmp_path, name).name == name
    assert find_run(name, tmp_path).name == name


def test_a_name_is_one_in_whichever_form_it_is_spelled(tmp_path: Path) -> None:
    composed, decomposed = "étude-gru-1", "e\u0301tude-gru-1"
    assert make_run(tmp_path, decomposed).name == composed
    assert [run.record.name for run in list_runs(tmp_path)] == [composed]
    with pytest.raises(UsageError, match="already"):
        check_free(tmp_path, decomposed)
    assert next(free_names(tmp_path, "e\u0301tude-gru")) == "étude-gru-2"
    for spelled in (composed, decomposed):
        assert find_run(spelled, tmp_path).name == composed
    # As another system, or an older charlm, left it.
    (tmp_path / composed).rename(tmp_path / decomposed)
    for spelled in (composed, decomposed):
        assert find_run(spelled, tmp_path).path == tmp_path / decomposed
        assert run_to_delete(spelled, tmp_path) == tmp_path / decomposed
        with pytest.raises(UsageError, match="already"):
            check_free(tmp_path, spelled)


def test_names_that_differ_in_case_are_one_on_some_systems(tmp_path: Path) -> None:
    make_run(tmp_path, "Straße")
    for name in ("straße", "STRASSE", "Straße"):
        with pytest.raises(UsageError, match="a run called 'Straße' already"):
            check_free(tmp_path, name)
    make_run(tmp_path, "Book-gru-1")
    assert next(free_names(tmp_path, "book-gru")) == "book-gru-2"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("हिन्दी-gru", "हिन्दी-gru-1"),
        ("தமிழ்-gru", "தமிழ்-gru-1"),
        ("e\u0301-gru", "é-gru-1"),
        ("می\u200cخواهم\u200c", "می\u200cخواهم-1"),
        ("con.txt", "run-con.txt-1"),
        ("a\u202eb", "a-b-1"),
        ("--rf", "rf-1"),
        ("\u0301", "run-\u0301-1"),
    ],
    ids=ascii,
)
def test_a_name_that_is_made_keeps_what_the_text_is_called(
    stem: str, name: str, tmp_path: Path
) -> None:
    assert next(free_names(tmp_path, stem)) == name
    check_name(name)


def test_a_run_has_its_folders_name_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path).path
    for inside, way in ((path, "."), (path, "./"), (path / "best", "..")):
        monkeypatch.chdir(inside)
        found = find_run(way, tmp_path / "elsewhere")
        assert found.name == "one"
        assert found.resume_command == f"charlm train --resume one --runs-dir {tmp_path}"
    monkeypatch.chdir(tmp_path)
    assert find_run("one/").name == find_run("one/", tmp_path / "..").name == "one"


def test_a_folder_that_was_renamed_is_found_by_the_name_that_is_listed(tmp_path: Path) -> None:
    make_run(tmp_path).path.rename(tmp_path / "my run")
    assert [run.name for run in list_runs(tmp_path)] == ["my run"]
    assert find_run("my run", tmp_path).path == tmp_path / "my run"


def test_a_name_that_is_taken_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    with pytest.raises(UsageError, match="is a run called 'one' already") as caught:
        create_run(tmp_path, make_record(), VOCABULARY)
    assert "--resume one" in caught.value.hint
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_free_names_count_up(tmp_path: Path) -> None:
    assert next(free_names(tmp_path, "book-gru")) == "book-gru-1"
    make_run(tmp_path, "book-gru-1")
    (tmp_path / "book-gru-2").mkdir()
    assert next(free_names(tmp_path, "book-gru")) == "book-gru-3"
    assert next(free_names(tmp_path, "my book (2nd ed.)")) == "my-book-2nd-ed-1"


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=150))
@example("")
@example("..")
@example("+plus")
@example("_-_")
@example("x" * 150)
@example("好" * 150)
@example("a/../b")
def test_a_free_name_is_a_good_name_whatever_the_text_is_called(tmp_path: Path, stem: str) -> None:
    check_free(tmp_path, next(free_names(tmp_path, stem)))


# Finding


def test_the_newest_run_is_the_one_made_last(tmp_path: Path) -> None:
    make_run(tmp_path, "c", created="2026-01-02T10:00:00+00:00")
    make_run(tmp_path, "b", created="2026-01-02T10:00:00.000001+00:00")
    make_run(tmp_path, "a", created="2025-12-31T23:59:59.999999+00:00")
    make_run(tmp_path, "d", created="2026-01-01T10:00:00+00:00")
    assert [run.name for run in list_runs(tmp_path)] == ["b", "c", "d", "a"]
    assert find_run(folder=tmp_path).name == "b"


def test_listing_goes_on_past_what_is_damaged(tmp_path: Path) -> None:
    for name in ("good", "bad", "worse", "better"):
        make_run(tmp_path, name)
    (tmp_path / "bad" / "run.json").write_text("{")
    (tmp_path / "worse" / "vocabulary.json").unlink()
    (tmp_path / "no-run").mkdir()
    (tmp_path / "a-file").write_text("")
    make_run(tmp_path, "x").path.rename(tmp_path / ".hidden")
    listed = list(list_runs(tmp_path))
    names = {run.name for run in listed if isinstance(run, RunDirectory)}
    assert names == {"good", "better"}
    problems = [str(each) for each in listed if isinstance(each, RunError)]
    assert len(problems) == 2
    assert "bad" in problems[0]
    assert "worse" in problems[1]
    assert [isinstance(each, RunError) for each in listed] == [False, False, True, True]


def test_no_folder_holds_no_runs(tmp_path: Path) -> None:
    assert list(list_runs(tmp_path / "nowhere")) == []
    (tmp_path / "file").write_text("")
    assert list(list_runs(tmp_path / "file")) == []
    with pytest.raises(RunError, match="no run in") as caught:
        find_run(folder=tmp_path)
    assert "charlm train" in caught.value.hint


def test_a_run_is_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "runs")
    assert find_run("one", tmp_path / "runs").name == "one"
    assert find_run(tmp_path / "runs" / "one", "elsewhere").name == "one"
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(tmp_path / "runs"))
    assert find_run("one").name == find_run().name == "one"


def test_a_run_that_is_not_there_brings_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run called 'one'") as caught:
        find_run("one", tmp_path)
    assert "charlm train" in caught.value.hint
    make_run(tmp_path, "time-machine-gru-1")
    make_run(tmp_path, "hamlet")
    with pytest.raises(RunError) as caught:
        find_run("time-machin-gru-1", tmp_path)
    assert "Did you mean 'time-machine-gru-1'" in caught.value.hint
    with pytest.raises(RunError) as caught:
        find_run("zzz", tmp_path)
    assert "hamlet" in caught.value.hint


# Deleting


def test_a_run_is_deleted_with_all_that_is_in_it(tmp_path: Path) -> None:
    make_run(tmp_path)
    make_run(tmp_path, "two")
    delete_run(run_to_delete("one", tmp_path))
    assert [run.name for run in list_runs(tmp_path)] == ["two"]
    with pytest.raises(RunError, match="no run called"):
        run_to_delete("one", tmp_path)


def test_a_damaged_run_can_be_deleted(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "run.json").write_text("{")
    delete_run(run_to_delete("one", tmp_path))
    assert not run.path.exists()


def test_of_a_link_only_the_link_is_deleted(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "link").symlink_to(run.path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link/", "dangling"):
        delete_run(run_to_delete(name, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    run.load_last()


@pytest.mark.parametrize("way", [".", "..", "../one/"])
def test_a_run_is_deleted_whole_from_within(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path).path
    monkeypatch.chdir(path / "best" if way == ".." else path)
    delete_run(run_to_delete(way, tmp_path / "elsewhere"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_its_record_can_be_deleted_and_other_folders_cannot(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "run.json").unlink()
    assert ["is missing" in str(each) for each in list_runs(tmp_path)] == [True]
    delete_run(run_to_delete("one", tmp_path))
    assert not run.path.exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="is no run"):
        run_to_delete("mine", tmp_path)


def test_a_run_that_cannot_be_deleted_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != run.path / "best" and access(path, mode)
    )
    with pytest.raises(RunError, match="cannot be deleted: permission denied"):
        delete_run(run.path)
    run.load_weights()
    run.load_last()


# Where nothing can be written


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot write to") as caught:
        create_run(tmp_path / "file" / "runs", make_record(), VOCABULARY)
    assert "--runs-dir" in caught.value.hint


def test_a_run_that_was_deleted_under_way_is_one_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    shutil.rmtree(run.path)
    for write in (
        lambda: run.save_best(WEIGHTS),
        lambda: run.save_last(WEIGHTS, TENSORS, SCALARS),
        lambda: run.append_metrics({"step": 1}),
        lambda: run.update(status="done"),
    ):
        with pytest.raises(RunError, match="Cannot write to"):
            write()


def test_a_save_that_fails_leaves_what_was_saved_before(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(TypeError):
        run.save_last({"w": np.zeros(3)}, TENSORS, {"counters": object()})
    weights, _, scalars = run.load_last()
    assert_same(weights, WEIGHTS)
    assert scalars == SCALARS
    assert hidden(tmp_path) == []


def test_records_are_equal_when_all_they_say_is(tmp_path: Path) -> None:
    record = make_record()
    path = tmp_path / "run.json"
    assert Record.from_json(record.to_json(), path) == record
    assert Record.from_json(replace(record, status="done").to_json(), path) != record


# No torch


def test_the_run_directory_needs_no_torch(tmp_path: Path) -> None:
    """So that `charlm runs list` answers at once."""
    make_run(tmp_path)
    program = (
        "import sys; from charlm.tasks.registry import find_run, list_runs\n"
        f"run = find_run(None, {str(tmp_path)!r}); run.load_weights(); run.metrics()\n"
        "assert run.name == 'one'; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False\n", "")
