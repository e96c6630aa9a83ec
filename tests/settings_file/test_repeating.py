"""From the settings file of a run comes the same run, bit for bit on one CPU."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import charlm
from charlm.presets import PRESETS
from charlm.settings_file.repeating import caveats
from charlm.tasks.language_modeling import dataset, fitting
from charlm.text.normalize import NORMALIZATIONS

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The time traveller smiled round at us. Then, still smiling faintly, he went. " * 9 + "é§"
SMALL: dict[str, Any] = {
    "hidden_size": 5,
    "batch_size": 3,
    "seq_length": 7,
    "max_steps": 4,
    "precision": "fp32",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text, and a bundled preset that trains in no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(dataset, "baselines", lambda *_: {})
    return tmp_path


def again(run: charlm.Run) -> charlm.Run:
    """The run that comes from a run's settings file, read in another folder."""
    folder = run.path.resolve().parent.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    file = folder / "run.toml"
    file.write_text(charlm.settings_toml(run), encoding="utf-8")
    return charlm.train(**charlm.read_settings(file), runs_dir=folder / "runs")


def weights(run: charlm.Run) -> dict[str, np.ndarray[Any, Any]]:
    return {
        f"{path.parent.name} {name}": each
        for path in sorted(run.path.glob("*/*.safetensors"))
        for name, each in load_file(path).items()
    }


def assert_same(one: charlm.Run, other: charlm.Run) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    for name, each in mine.items():
        assert each.tobytes() == theirs[name].tobytes(), name
    assert one.directory.settings.model == other.directory.settings.model
    assert one.directory.settings.train == other.directory.settings.train
    scores = [[row.get("best") for row in each.metrics()] for each in (one, other)]
    assert scores[0] == scores[1]


LANGUAGE: dict[str, Mapping[str, Any]] = {
    "capped": {},
    "gru": {"cell": "gru"},
    "words": {"units": "words"},
    "bytes": {"units": "bytes"},
    "documents": {"documents": ". "},
    "two layers": {"cell": "lstm", "num_layers": 2, "dropout": 0.3, "embedding_size": 4},
    "regularized": {"weight_drop": 0.3, "output_dropout": 0.4, "ema_decay": 0.5, "seed": 7},
    "another gru": {"cell": "gru", "reset_after": False, "zoneout": 0.2},
    "mogrifier": {"cell": "mogrifier", "mogrifier_rounds": 2, "mogrifier_rank": 3},
    "random windows": {"sampling": "random", "optimizer": "sgd", "momentum": 0.5},
    "lower": {"normalize": "lower", "train_characters": 300, "test_fraction": 0.2},
    "letters": {"normalize": "letters-by-line", "min_count": 5},
    "nothing held out": {"val_fraction": 0.0},
    "epochs": {"max_steps": None, "epochs": 1, "eval_every": 2},
    "patience": {"learning_rate": 8.0, "patience": 1, "eval_every": 1, "average_after": 1},
    "tied": {"embedding_size": 5, "tie_weights": True, "random_lengths": True},
}


@pytest.mark.parametrize("case", LANGUAGE)
def test_a_language_model(case: str, here: Path) -> None:
    run = charlm.train("book.txt", **{**SMALL, **LANGUAGE[case]})
    assert_same(run, again(run))


def test_what_the_small_preset_chose_for_a_small_text(here: Path) -> None:
    run = charlm.train("book.txt", max_steps=3, hidden_size=6)
    chosen = run.directory.settings
    assert chosen.data.encoding == "utf-8"
    assert chosen.train.ema_decay == 0.998
    assert_same(run, again(run))


def test_the_d2l_preset_on_two_files(here: Path) -> None:
    Path("two.txt").write_text("But he was not the man.\nSo it was. " * 20)
    run = charlm.train(["book.txt", "two.txt"], preset="d2l", **{**SMALL, "precision": None})
    assert_same(run, again(run))


def test_sizes_that_were_planned_for_a_time_are_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "for_small_text", lambda *_: {})
    monkeypatch.setattr(dataset, "measured", lambda *_: lambda *_: 1e5)
    run = charlm.train("book.txt", max_minutes=0.002)
    model, train = run.config, run.directory.settings.train
    written = tomllib.loads(charlm.settings_toml(run))
    assert written["hidden_size"] == model.hidden_size != PRESETS["quick"]["hidden_size"]
    assert written["output_dropout"] == model.output_dropout
    assert written["batch_size"] == train.batch_size
    assert written["max_minutes"] == 0.002
    steps = run.result["steps"]
    assert "# max_minutes is by the clock" in charlm.settings_toml(run)
    assert f"max_steps = {steps}" in " ".join(caveats(run.directory))


def test_a_text_from_a_string_is_read_from_the_runs_copy(here: Path) -> None:
    corpus = charlm.Corpus.from_text(TEXT, "mine", "letters")
    run = charlm.train(corpus, **SMALL)
    written = tomllib.loads(charlm.settings_toml(run))
    assert written["corpus"] == str((run.path / "corpus.txt").resolve())
    assert "copy" in " ".join(caveats(run.directory))
    assert_same(run, again(run))


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_copy_that_is_normalized_again_stays_as_it_is(name: str) -> None:
    once = NORMALIZATIONS[name](TEXT + "İKS\nß ﬁ\n\nx ")
    assert NORMALIZATIONS[name](once) == once


# Runs that start from others


def test_from_another_run(here: Path) -> None:
    parent = charlm.train("book.txt", run="parent", embedding_size=4, **SMALL)
    run = charlm.train(
        "book.txt", init_from="parent", max_steps=3, batch_size=2, seq_length=5, dropout=0.0
    )
    written = tomllib.loads(charlm.settings_toml(run))
    assert written["init_from"] == str(parent.path.resolve())
    assert not list(caveats(run.directory))
    assert_same(run, again(run))
    charlm.resume("parent", max_steps=9)
    assert "trained further" in " ".join(caveats(run.directory))
    charlm.load("parent").path.rename("gone")
    assert "not at" in " ".join(caveats(run.directory))


def test_a_classifier_from_a_language_model(here: Path) -> None:
    charlm.train("book.txt", run="parent", embedding_size=4, **SMALL)
    run = charlm.train(
        str(ROOT / "data" / "sentences.csv"),
        task="classification",
        init_from="parent",
        bidirectional=True,
        max_steps=2,
        batch_size=16,
    )
    # Its second direction and its output layer are drawn as the preset says.
    assert run.directory.settings.train.initialization == "orthogonal"
    assert_same(run, again(run))


# Other tasks

TABLES: dict[str, Mapping[str, Any]] = {
    "labels": {"task": "classification"},
    "words": {"preset": "words", "seed": 3, "class_weights": "balanced"},
    "a fold": {"task": "classification", "folds": 3, "fold": 2, "test_fraction": None},
    "a test part": {"task": "classification", "test_fraction": 0.2, "drop_duplicates": True},
    "numbers": {"task": "regression", "test_fraction": 0.2},
    "all numbers": {"preset": "house-prices"},
    "series": {"task": "regression", "window": 5, "horizon": 2, "time_column": "day"},
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table(case: str, here: Path) -> None:
    name = "series" if case == "series" else "houses" if "numbers" in case else "sentences"
    small = {"hidden_size": 4, "max_steps": 2, "batch_size": 16}
    run = charlm.train(str(ROOT / "data" / f"{name}.csv"), **{**small, **TABLES[case]})
    assert_same(run, again(run))


ROWS = [
    {"review": f"a {word} film, {n}", "stars": n % 5, "who": f"p{n % 7}", "size": n}
    for n, word in enumerate(["lovely", "dull", "odd"] * 20)
]


@pytest.mark.parametrize(
    "settings",
    [
        {"task": "classification", "label_column": "stars", "text_column": "review"},
        {
            "task": "classification",
            "label_column": "stars",
            "text_column": "review",
            "group_column": "who",
            "test_fraction": 0.2,
        },
        {
            "task": "classification",
            "label_column": "stars",
            "text_column": "review",
            "folds": 3,
            "fold": 2,
        },
        {"task": "regression", "target_column": "stars", "input_columns": "size"},
        {"task": "regression", "target_column": "stars", "text_column": "review"},
        {
            "task": "regression",
            "target_column": "stars",
            "input_columns": "size,stars",
            "window": 3,
            "test_fraction": 0.2,
        },
    ],
    ids=lambda each: " ".join(map(str, each.values())),
)
def test_rows_from_python_are_read_from_the_runs_copy(
    settings: Mapping[str, Any], here: Path
) -> None:
    run = charlm.train(ROWS, hidden_size=4, max_steps=3, batch_size=8, **settings)
    assert tomllib.loads(charlm.settings_toml(run))["corpus"].endswith("data.jsonl")
    assert_same(run, again(run))


def test_files_of_the_held_out_rows_are_found_from_elsewhere(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "data" / "houses.csv").read_text().splitlines()
    Path("train.csv").write_text("\n".join(lines[:80]) + "\n")
    Path("held.csv").write_text("\n".join([lines[0], *lines[80:100]]) + "\n")
    run = charlm.train(
        "train.csv", task="regression", test="held.csv", hidden_size=4, max_steps=2, batch_size=8
    )
    run = charlm.load(run.path.resolve())
    other = here / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert_same(run, again(run))
    resumed = charlm.resume(run.path, max_steps=3)
    assert resumed.result["steps"] == 3


# What is kept, and what is told


def test_the_record_keeps_the_preset_and_what_was_given(here: Path) -> None:
    run = charlm.train("book.txt", preset="d2l", cell="lstm", hidden_size=4, max_steps=1)
    record = json.loads((run.path / "run.json").read_text())
    assert record["preset"] == "d2l"
    assert record["given"] == {"cell": "lstm", "hidden_size": 4, "max_steps": 1}
    text = charlm.settings_toml(run)
    assert "preset d2l and --cell lstm --hidden-size 4 --max-steps 1." in text


def test_the_number_of_threads_is_kept_where_it_was_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    named = charlm.train("book.txt", **SMALL)
    monkeypatch.delenv("OMP_NUM_THREADS")
    open_ = charlm.train("book.txt", **SMALL)
    assert tomllib.loads(charlm.settings_toml(named))["threads"] == 1
    assert "threads" not in tomllib.loads(charlm.settings_toml(open_))


def test_a_run_that_went_on_with_other_settings_says_so(here: Path) -> None:
    run = charlm.train("book.txt", **SMALL)
    assert not list(caveats(run.directory))
    run = charlm.resume(run.name, max_steps=6)
    (told,) = caveats(run.directory)
    assert "From step 4 on" in told
    assert "--max-steps 6" in told
    assert tomllib.loads(charlm.settings_toml(run))["max_steps"] == 6


def test_a_text_that_is_gone_is_told(here: Path) -> None:
    run = charlm.train("book.txt", **SMALL)
    Path("book.txt").rename("novel.txt")
    (told,) = caveats(run.directory)
    assert "book.txt' is not there any more" in told


@pytest.mark.parametrize(
    "old",
    sorted((ROOT / "tests" / "runs" / "old_runs").glob("*/run.json")),
    ids=lambda p: p.parent.name,
)
def test_a_run_of_an_older_charlm_has_a_settings_file(old: Path, here: Path) -> None:
    run = charlm.load(old.parent)
    written = tomllib.loads(charlm.settings_toml(run))
    Path("run.toml").write_text(charlm.settings_toml(run))
    settings = charlm.read_settings("run.toml")
    source = settings.pop("source")
    assert source == [str((old.parent / "corpus.txt").resolve())] or not Path(source[0]).exists()
    assert written["cell"] == run.config.cell
    trained = charlm.train(str(old.parent / "corpus.txt"), **settings | {"max_steps": 1})
    assert trained.config == run.config
