"""Classifiers from a table to labels: trained, gone on with, asked and scored."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command
from safetensors.numpy import load_file
from tables import write_table

import charlm
from charlm.errors import CharlmError, CorpusError, SettingError, UsageError
from charlm.tasks.classification.scores import (
    ClassificationScore,
    reliability,
    score_of,
)
from charlm.tasks.classification.vectors import complete, count_found, read_vectors

TINY: dict[str, Any] = {
    "task": "classification",
    "hidden_size": 8,
    "embedding_size": 5,
    "batch_size": 8,
    "epochs": 4,
    "learning_rate": 0.02,
}


def examples(number: int = 120, seed: int = 0) -> list[dict[str, str]]:
    """Texts whose label is told by one of their words, wherever it stands."""
    rng = random.Random(seed)
    rows = []
    for _ in range(number):
        label = rng.choice(["bad", "good", "odd"])
        words = [rng.choice(["so", "it", "was"]) for _ in range(rng.randrange(1, 6))]
        words.insert(rng.randrange(len(words) + 1), {"bad": "xx", "good": "yy", "odd": "zz"}[label])
        rows.append({"text": " ".join(words), "label": label})
    return rows


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(here: Path) -> Path:
    return write_table(here / "texts.csv", examples())


def test_a_classifier_learns_and_its_score_can_be_counted_again(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    result = run.result
    assert result["split"] == "val"
    assert result["score"]["accuracy"] > 0.9 > result["baselines"]["majority"]["accuracy"]
    again = run.evaluate()
    stored = ClassificationScore.from_json(result["score"])
    # While training it is added up batch by batch.
    assert again.score.nats == pytest.approx(stored.nats, rel=1e-12)
    assert (again.score.right, again.score.texts) == (stored.right, stored.texts)
    assert again.confusion.sum() == again.score.texts == 12
    assert np.trace(again.confusion) == again.score.right
    labels = json.loads(Path("runs/one/labels.json").read_text())
    assert labels["labels"] == ["bad", "good", "odd"]
    assert sum(labels["counts"]) == 108


@pytest.mark.parametrize("units", ["characters", "words"])
@pytest.mark.parametrize(
    "about",
    [{"cell": "gru"}, {"cell": "lstm", "bidirectional": True, "num_layers": 2, "dropout": 0.3}],
    ids=["gru", "lstm"],
)
def test_interrupted_and_gone_on_with_it_is_the_same(
    table: Path, units: str, about: dict[str, Any]
) -> None:
    settings = {**TINY, **about, "units": units, "input_dropout": 0.2, "output_dropout": 0.2}
    charlm.train(table, run="whole", **settings)
    steps = iter(range(1000))
    charlm.train(table, run="parted", should_stop=lambda: next(steps) >= 25, **settings)
    assert json.loads(Path("runs/parted/run.json").read_text())["status"] == "interrupted"
    charlm.resume("parted")
    for file in ("last/model", "last/training", "best/model"):
        mine, theirs = (load_file(f"runs/{run}/{file}.safetensors") for run in ("parted", "whole"))
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=name)


def test_a_table_from_python_is_kept_and_gone_on_with() -> None:
    rows = [*examples(60), {"text": "", "label": "odd"}]
    charlm.train(rows, run="whole", **TINY)
    steps = iter(range(1000))
    charlm.train(rows, run="parted", should_stop=lambda: next(steps) >= 9, **TINY)
    assert len(Path("runs/parted/data.jsonl").read_text().splitlines()) == 60
    charlm.resume("parted")
    mine, theirs = (load_file(f"runs/{run}/last/model.safetensors") for run in ("parted", "whole"))
    for name, each in mine.items():
        np.testing.assert_array_equal(each, theirs[name], err_msg=name)
    assert charlm.load("parted").evaluate().score.texts == 6


def test_a_changed_table_is_no_more_the_runs_own(table: Path) -> None:
    charlm.train(table, run="one", **TINY)
    write_table(table, examples(seed=1))
    with pytest.raises(CharlmError, match="have changed since"):
        charlm.resume("one", epochs=5)


def test_a_text_has_the_same_label_however_it_is_asked_for(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    texts = [row["text"] for row in examples(30, seed=5)]
    together = run.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        alone = run.predict(text)
        assert (
            alone.label
            == prediction.label
            == max(alone.probabilities, key=alone.probabilities.__getitem__)
        )
        assert sum(alone.probabilities.values()) == pytest.approx(1)
        for label, p in alone.probabilities.items():
            assert prediction.probabilities[label] == pytest.approx(p, abs=1e-5)
    asked = command("predict", texts[0], "--run", "one", "--json").json
    assert asked["label"] == together[0].label
    Path("one.txt").write_text(texts[0] + "\n")
    for words, stdin in ((("one.txt",), ""), (("-",), texts[0] + "\n")):
        assert command("predict", *words, "--run", "one", "--json", stdin=stdin).json == asked


def test_a_table_comes_out_with_columns_added_and_none_overwritten(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    rows = [{**row, "probability": "mine"} for row in examples(20, seed=6)]
    rows[3]["text"] = ""
    rows[4]["text"] = 'a "quoted"\nline, yy'
    write_table(Path("new.csv"), rows)
    result = command("predict", "new.csv", "--run", "one")
    assert result.code == 0, result.err
    out = list(csv.DictReader(result.out.splitlines(keepends=True)))
    assert list(out[0]) == ["text", "label", "probability", "predicted label", "probability_"]
    for row, before in zip(out, rows, strict=True):
        assert {name: row[name] for name in before} == before
        if before["text"]:
            assert row["predicted label"] == run.predict(before["text"]).label
    assert (out[3]["predicted label"], out[3]["probability_"]) == ("", "")
    assert "1 row without what it takes" in result.err
    lines = command("predict", "new.csv", "--run", "one", "--json").out.splitlines()
    assert [json.loads(line)["predicted label"] or "" for line in lines] == [
        row["predicted label"] for row in out
    ]


def test_eval_counts_by_hand(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    rows = [*examples(40, seed=8), {"text": "so", "label": "new"}]
    write_table(Path("test.csv"), rows)
    result = command("eval", "test.csv", "--run", "one", "--json").json
    given = [run.predict(row["text"]).label for row in rows]
    right = [g == row["label"] for g, row in zip(given, rows, strict=True)]
    assert result["accuracy"] == pytest.approx(sum(right) / 41)
    for each in result["labels"]:
        hits = sum(r and row["label"] == each["label"] for r, row in zip(right, rows, strict=True))
        true = sum(row["label"] == each["label"] for row in rows)
        assert each["recall"] == pytest.approx(hits / true)
        assert each["texts"] == true
        if given.count(each["label"]):
            assert each["precision"] == pytest.approx(hits / given.count(each["label"]))
    shown = command("eval", "test.csv", "--run", "one")
    assert "not trained on, counted as wrong: 'new'" in shown.err
    assert "true \\ given\tbad\tgood\todd" in shown.out


def test_a_score_is_the_mean_of_its_parts() -> None:
    outputs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 4, 50)
    whole = score_of(outputs, labels)
    p = np.exp(outputs.astype(np.float64))
    p /= p.sum(1, keepdims=True)
    assert whole.loss == pytest.approx(-np.log(p[np.arange(50), labels]).mean())
    assert whole.accuracy == (p.argmax(1) == labels).mean()
    parts = score_of(outputs[:13], labels[:13]) + score_of(outputs[13:], labels[13:])
    assert (parts.right, parts.texts) == (whole.right, whole.texts)
    assert parts.nats == pytest.approx(whole.nats)


def test_a_table_sorted_by_label_trains_as_well(here: Path) -> None:
    ordered = sorted(examples(), key=lambda row: row["label"])
    run = charlm.train(write_table(here / "sorted.csv", ordered), **TINY)
    assert run.result["score"]["accuracy"] > 0.9


def test_parts_come_from_files_and_columns(table: Path) -> None:
    test = write_table(Path("test.csv"), examples(9, seed=3))
    run = charlm.train(table, run="a", **{**TINY, "test": str(test), "epochs": 1})
    assert run.result["split"] == "test"
    assert run.result["score"]["texts"] == 9
    words = ["train"] * 80 + ["dev"] * 30 + ["test"] * 10
    rows = [{**row, "which": word} for row, word in zip(examples(), words, strict=True)]
    write_table(Path("parts.csv"), rows)
    run = charlm.train("parts.csv", run="b", **{**TINY, "split_column": "which", "epochs": 1})
    assert run.directory.record.splits == {"train": [0, 80], "val": [80, 110], "test": [110, 120]}
    groups = [{**row, "author": str(i // 10)} for i, row in enumerate(examples())]
    write_table(Path("groups.csv"), groups)
    charlm.train("groups.csv", run="c", **{**TINY, "group_column": "author", "epochs": 1})


def test_labels_are_as_they_are_written(here: Path) -> None:
    rows = [
        {"text": text, "label": label}
        for text, label in (("aa", "1"), ("bb", "1.0"), ("cc", "NA"))
        for _ in range(10)
    ]
    run = charlm.train(write_table(here / "odd.csv", rows), **{**TINY, "epochs": 1})
    assert run.directory.labels.names == ("1", "1.0", "NA")  # type: ignore[attr-defined]


def test_what_is_left_out_cut_or_repeated_is_said(here: Path) -> None:
    rows = [*examples(), *examples(20), {"text": "", "label": "odd"}]
    test = write_table(here / "test.csv", examples(5))
    write_table(here / "texts.csv", rows)
    arguments = ["train", "texts.csv", "--task", "classification", "--epochs", "1"]
    arguments += ["--test", str(test), "--max-length", "4", "--hidden-size", "4"]
    said = command(*arguments).err
    assert "1 row without text left out." in said
    assert "cut to 4 characters." in said
    assert "also stand in a held-out part; to leave them out: --drop-duplicates." in said
    assert "Labels of the training part: " in said
    assert "left out of training." in command(*arguments, "--drop-duplicates").err


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"label_column": "labell"}, "no column 'labell'"),
        ({"text_column": "txt"}, "no column 'txt'"),
        ({"group_column": "author"}, "no column 'author'"),
        ({"split_column": "label"}, "in the column 'label'"),
        ({"test": "none.csv"}, "no file called"),
        ({"seq_length": 5}, "is a setting of another task"),
        ({"tie_weights": True}, "is for language models only"),
        ({"preset": "quick"}, "is of the task 'language-model'"),
        ({"init_from": "one"}, "starts from a language model"),
    ],
)
def test_what_cannot_be_is_a_sentence(table: Path, settings: dict[str, Any], problem: str) -> None:
    if "init_from" in settings:
        charlm.train(table, run="one", **{**TINY, "epochs": 1})
    with pytest.raises((CorpusError, UsageError, SettingError), match=problem):
        charlm.train(table, **{**TINY, **settings})


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"text": "a", "label": "x"}] * 9, "has only the label 'x'"),
        ([{"text": "a", "label": "x"}, {"text": "b", "label": ""}], "no label in row 2"),
        ([{"text": "", "label": "x"}] * 3, "has no texts"),
        ([{"a": "1", "b": "2"}], "has the columns a, b"),
    ],
)
def test_rows_that_teach_nothing(rows: list[dict[str, str]], problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        charlm.train(rows, **TINY)


def test_a_label_of_a_held_out_part_only_cannot_be_learned(table: Path) -> None:
    test = write_table(Path("test.csv"), [{"text": "so", "label": "new"}])
    with pytest.raises(CorpusError, match="'new' stands in the test part only"):
        charlm.train(table, **{**TINY, "test": str(test)})


def test_rare_labels_weigh_as_much_if_that_is_asked_for(here: Path) -> None:
    rows = [*[{"text": "so it", "label": "many"}] * 90, *[{"text": "was", "label": "few"}] * 10]
    plain = charlm.train(
        rows, run="plain", **{**TINY, "max_steps": 1, "epochs": None, "batch_size": 90}
    )
    balanced = charlm.train(
        rows,
        run="even",
        class_weights="balanced",
        **{**TINY, "max_steps": 1, "epochs": None, "batch_size": 90},
    )
    one, other = plain.metrics()[0], balanced.metrics()[0]
    assert one["train_log_loss"] != other["train_log_loss"]


def test_the_presets_need_nothing_else() -> None:
    result = command("train", "--preset", "toy-rnn", "--run", "toy", "--json")
    assert result.code == 0, result.err
    for text, label in (("this soup is good", "positive"), ("a dull cold evening", "negative")):
        said = command("predict", text, "--run", "toy", "--json").json
        assert set(said["probabilities"]) == {"positive", "negative"}, label
    result = command("train", "--preset", "sentiment-gru", "--max-steps", "2", "--json")
    assert result.code == 0, result.err
    assert result.json["score"]["texts"] == 90


def test_a_damaged_run_is_a_sentence(table: Path) -> None:
    charlm.train(table, run="one", **{**TINY, "epochs": 1})
    labels = Path("runs/one/labels.json")
    good = labels.read_text()
    for content in ("", "[]", '{"labels": ["a"], "counts": [1]}', '{"labels": [1], "counts": [1]}'):
        labels.write_text(content)
        result = command("eval", "--run", "one")
        assert result.code == 1
        assert "labels.json" in result.err
    labels.write_text(good)
    assert command("eval", "--run", "one").code == 0


def test_a_temperature_is_fitted_where_nothing_is_trained(table: Path) -> None:
    run = charlm.train(table, run="one", **TINY)
    evaluation = run.evaluate(split="val")
    tried = np.geomspace(0.2, 5, 2001)
    losses = {t: score_of(evaluation.outputs / t, evaluation.targets).loss for t in tried}
    best = min(losses, key=losses.__getitem__)
    assert run.result["temperature"] == pytest.approx(best, rel=0.002)
    assert evaluation.calibrated.score.loss <= evaluation.score.loss
    assert evaluation.calibrated.score.right == evaluation.score.right
    (first,) = np.flatnonzero(evaluation.targets >= 0)[:1]
    p = np.exp(evaluation.outputs[first].astype(np.float64) / run.result["temperature"])
    assert max(p / p.sum()) <= 1


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    labels = np.array([0, 1, 1, 1])
    # Of 15 bins .9 is in the 13th, .8 in the 12th, .7 in the 10th, .55 in the 8th.
    by_hand = (abs(1 - 0.9) + abs(0 - 0.8) + abs(1 - 0.7) + abs(1 - 0.55)) / 4
    assert reliability(p, labels).error == pytest.approx(by_hand)
    alike = np.array([[0.75, 0.25]] * 4)
    assert reliability(alike, np.array([0, 0, 0, 1])).error == pytest.approx(0)


def test_the_difference_to_the_best_baseline_is_said(table: Path) -> None:
    words = ("--task", "classification", "--hidden-size", "8", "--epochs", "2")
    said = command("train", str(table), *words)
    assert "'majority'" in said.out


def vectors_file(path: Path, header: str = "") -> Path:
    path.write_text(f"{header}xx 1 2 3\nnew york 4 5 6\nyy 7 8 9\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_word_vectors_from_a_file(here: Path, table: Path, header: str) -> None:
    file = vectors_file(here / "v.txt", header)
    settings = {**TINY, "units": "words", "embedding_size": 3, "pretrained_vectors": str(file)}
    run = charlm.train(table, run="a", **{**settings, "epochs": 1})
    vocabulary = run.directory.vocabulary  # type: ignore[attr-defined]
    vectors = read_vectors(str(file), vocabulary, 3)
    assert count_found(vectors) == 2
    whole = complete(vectors, np.random.default_rng(0))
    assert whole[vocabulary.encode_tokens(["yy"])[0]].tolist() == [7, 8, 9]
    assert np.isfinite(whole).all()
    told: list[str] = []
    charlm.train(
        table,
        run="b",
        listener=lambda event: told.append(str(getattr(event, "text", ""))),
        **{**settings, "max_steps": 1, "epochs": None, "learning_rate": 1e-9},
    )
    assert any("Vectors for 2 of 6 words" in each for each in told)
    weights = load_file("runs/b/last/model.safetensors")["embedding.weight"]
    row = charlm.load("b").directory.vocabulary.encode_tokens(["xx"])[0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(weights[row], [1, 2, 3], atol=1e-5)


@pytest.mark.parametrize(
    ("size", "content", "problem"),
    [
        (2, b"xx 1 2 3\nyy 4 5 6\n", "no vector of 2 numbers in line 1"),
        (5, b"xx 1 2 3\n", "no vector of 5 numbers in line 1"),
        (3, b"xx 1 2 3\nyy 1 2 three\n", "no vector of 3 numbers in line 2"),
        (3, b"xx\0 1 2 3\n", "is binary: line 1"),
    ],
)
def test_files_of_other_vectors(
    here: Path, table: Path, size: int, content: bytes, problem: str
) -> None:
    (here / "v.bin").write_bytes(content)
    settings = {**TINY, "units": "words", "embedding_size": size, "pretrained_vectors": "v.bin"}
    with pytest.raises(CorpusError, match=problem):
        charlm.train(table, **settings)
    with pytest.raises(SettingError, match="give --units words"):
        charlm.train(table, **{**settings, "units": "characters"})
    with pytest.raises(CorpusError, match="Cannot read"):
        charlm.train(table, **{**settings, "pretrained_vectors": "none.txt"})
