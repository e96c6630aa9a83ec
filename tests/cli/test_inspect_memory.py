"""charlm inspect memory: tables, JSON, pictures, and what it refuses; and what stands behind it."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as cli

import charlm
from charlm.errors import UsageError

TEXT = "The time traveller was expounding a recondite matter to us; his grey eyes shone.\n" * 30
TINY: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 16, "precision": "fp32"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two cells on one text, one of a larger alphabet on another, and a classifier."""
    home = tmp_path_factory.mktemp("memory")
    (home / "own.txt").write_text(TEXT)
    for name in ("gru", "lstm"):
        train(home, home / "own.txt", run=name, cell=name, max_steps=3)
    persian = "".join(map(chr, range(0x620, 0x650))) + "آن زمان‌پیما به چشم‌های ما نگریست؛ "
    (home / "persian.txt").write_text(persian * 30)
    train(home, home / "persian.txt", run="persian", max_steps=3)
    rows = [f"a {word} film,{label}" for word, label in (("lovely", "good"), ("dull", "bad"))]
    (home / "films.csv").write_text("\n".join(["text,label", *rows * 20]) + "\n")
    train(home, home / "films.csv", run="films", task="classification", max_steps=2)
    return home


def train(home: Path, *arguments: Any, **settings: Any) -> charlm.Run:
    kept = {name: value for name, value in TINY.items() if "task" not in settings}
    return charlm.train(*arguments, runs_dir=home / "runs", **{**kept, **settings})


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def load(home: Path, name: str = "gru") -> charlm.Run:
    return charlm.load(name, runs_dir=home / "runs")


def test_in_a_pipe_there_are_facts_and_two_tables() -> None:
    result = cli("inspect", "memory", "own.txt", "--split", "all", "--run", "gru", "--targets", "7")
    assert result.code == 0
    facts, contexts, lags, told = result.out.split("\n\n")
    assert "targets\t7" in facts
    assert "training window\t16" in facts
    rows = [line.split("\t") for line in contexts.splitlines()]
    assert rows[0] == ["context", "bits/char", "increase", "95 % from", "95 % to"]
    assert [row[0] for row in rows[1:]] == [str(2**n) for n in range(11)]
    assert rows[-1][2:] == ["0.0000"] * 3
    rows = [line.split("\t") for line in lags.splitlines()]
    assert rows[0] == ["net", "lag", "median", "25 %", "75 %"]
    assert [row[1] for row in rows[1:9]] == ["0", "1", "2", "4", "8", "16", "32", "64"]
    assert rows[9][:2] == ["initialized", "100"]
    assert rows[-1][:2] == ["trained", "100"]
    assert "zero state" in told
    assert "-0.0000" not in result.out


def test_several_runs_and_json() -> None:
    result = cli("inspect", "memory", "--run", "gru", "--run", "lstm", "--json", "--targets", "5")
    gru, lstm = result.json["runs"]
    assert (gru["run"], lstm["run"]) == ("gru", "lstm")
    assert gru["context"]["targets"] == 5
    # A tenth of the text is held out: 243 characters.
    assert [each["characters"] for each in gru["context"]["lengths"]] == [2**n for n in range(7)]
    assert result.err.count("longest context is 64 in place of 1,024.") == 1
    single = cli("inspect", "memory", "--run", "lstm", "--json", "--targets", "5").json
    assert single == lstm


@pytest.mark.parametrize("columns", [60, 200])
def test_tables_fit_the_terminal(columns: int) -> None:
    result = cli("inspect", "memory", "--run", "gru", "--targets", "5", columns=columns)
    assert result.code == 0
    tables = result.out.partition("Every context")[0]
    assert max(map(len, tables.splitlines())) <= columns
    assert "initialized" in tables


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_pictures_are_written(ending: str, start: bytes, home: Path) -> None:
    options = ("--out", f"both.{ending}", "--theme", "dark", "--targets", "5", "--lags", "20")
    result = cli("inspect", "memory", "--run", "gru", "--run", "lstm", *options)
    assert result.code == 0
    assert f"Wrote both.{ending}." in result.err
    assert (home / f"both.{ending}").read_bytes().startswith(start)


def test_standard_input_is_read_once_for_all_runs() -> None:
    text = TEXT[:300].lower()
    result = cli(
        "inspect", "memory", "-", "--run", "gru", "--run", "lstm", "--json", stdin=text
    ).json["runs"]
    assert [each["context"]["targets"] for each in result] == [172, 172]
    words = cli("inspect", "memory", text, "--run", "gru", "--json").json
    assert words["context"] == result[0]["context"]


def test_runs_on_different_texts_say_so() -> None:
    result = cli("inspect", "memory", "--run", "gru", "--run", "persian", "--targets", "3")
    assert result.code == 0
    assert "These runs read different texts" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["abc"], "A text of 3 characters is too short to look for a memory."),
        (["--out", "both.jpg"], "'both.jpg' does not say what kind of picture it is."),
        (["--out", "nowhere/both.png"], "Cannot write to 'nowhere/both.png': no such file"),
        (["--out", "a.png", "--theme", "drak"], "There is no theme called 'drak'. Did you mean"),
        (["--theme", "dark"], "--theme is of pictures: name a file with --out."),
        (["--run", "films"], "is of the task 'classification', and this is for language models"),
        (["--run", "nobody"], "nobody"),
        (["--targets", "0"], "--targets"),
        (["--lags", "5000"], "--lags"),
        (["missing.txt"], "missing.txt"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options: list[str], message: str) -> None:
    result = cli("inspect", "memory", *([] if "--run" in options else ["--run", "gru"]), *options)
    assert result.code in (1, 2)
    assert message in " ".join(result.err.split())
    assert not result.out


def test_results_are_not_lost_where_a_picture_cannot_be_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("charlm.plots.style.write", full)
    result = cli("inspect", "memory", "--run", "gru", "--targets", "3", "--out", "full.png")
    assert result.code == 1
    assert "Cannot write to 'full.png': no space left on device." in result.err
    assert "effective context" in result.out


def test_a_picture_that_cannot_be_is_said_before_anything_is_computed(home: Path) -> None:
    (home / "taken.png").mkdir()
    result = cli("inspect", "memory", "--run", "gru", "--targets", "3", "--out", "taken.png")
    assert result.code == 2
    assert "'taken.png' is a folder." in result.err
    assert not result.out


def test_a_picture_of_seven_runs_is_refused_before_they_are_read() -> None:
    runs = [word for n in range(7) for word in ("--run", f"run-{n}")]
    result = cli("inspect", "memory", *runs, "--out", "a.png")
    assert result.code == 2
    assert "7 runs" in result.err


# From Python


def test_before_training_is_the_net_that_training_began_with(home: Path) -> None:
    """A run that has learned nothing is the net that it began with."""
    run = train(home, home / "own.txt", run="still", learning_rate=1e-30, max_steps=1)
    found = run.inspect.memory(targets=9)
    assert (found.trained.norms == found.initialized.norms).all()
    found = load(home).inspect.memory(targets=9)
    assert (found.trained.positions == found.initialized.positions).all()
    assert (found.trained.norms != found.initialized.norms).all()


def test_a_memory_says_what_it_is_of(home: Path) -> None:
    told: list[tuple[int, int]] = []
    found = load(home, "lstm").inspect.memory(
        home / "own.txt", split="val", targets=9, report=lambda *each: told.append(each)
    )
    assert (found.corpus, found.split) == ("own", "val")
    assert found.context.window == 16
    assert told == sorted(told)
    assert told[-1] == (100, 100)
    assert found.to_json()["sensitivity"]["trained"]["targets"] == 9


def test_dependence_has_a_row_for_each_character_after_the_first(home: Path) -> None:
    found = load(home).inspect.dependence(charlm.Corpus.from_text("The time"), lags=5).shares
    assert found.shape == (7, 5)
    there = np.arange(5) < np.arange(1, 8)[:, None]
    assert (found[~there] == 0).all()
    assert (found[there] > 0).all()
    assert found.max(1) == pytest.approx(1)
    with pytest.raises(UsageError):
        load(home).inspect.dependence(charlm.Corpus.from_text("T"))
