"""A settings file says what options would say, and what is wrong in it is told with its line."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer

import charlm
from charlm.cli.app import app
from charlm.errors import SettingError, UsageError
from charlm.keywords import SettingsKeywords
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import CELLS
from charlm.settings_file.keys import NAMES, OF_THE_COMMAND_LINE, TYPES, choices_of
from charlm.settings_file.reading import read_settings_file
from charlm.text.catalog import CATALOG


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(content: str | bytes) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    Path("run.toml").write_bytes(data)
    return dict(read_settings_file("run.toml").values)


def refused(content: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read(content)
    return str(caught.value)


# What there is to write


def test_the_keys_are_the_options_of_train() -> None:
    command: Any = typer.main.get_command(app)
    names = {each.name for each in command.commands["train"].params}
    assert names - {"help", "resume", "config"} == set(TYPES)


def test_the_keys_are_the_keywords_of_train() -> None:
    keywords = {"source", *inspect.signature(charlm.train).parameters}
    keywords |= set(SettingsKeywords.__annotations__)
    ours = {"source" if each == "corpus" else each for each in TYPES}
    assert ours - keywords == set(OF_THE_COMMAND_LINE)


def test_names_to_choose_from_are_those_that_there_are() -> None:
    assert set(NAMES["cell"]) == set(CELLS)
    assert set(NAMES["backend"]) == {"auto", *BACKENDS}
    assert choices_of("optimizer") == ("adamw", "adam", "sgd")
    assert "words" in choices_of("units")
    assert choices_of("hidden_size") == ()


def test_names_are_written_with_dashes_or_underscores(here: Path) -> None:
    assert read("hidden-size = 8\nmax_steps = 3\n") == {"hidden_size": 8, "max_steps": 3}


def test_values_have_the_types_of_the_settings(here: Path) -> None:
    values = read('max_minutes = 2\ntie_weights = true\nepochs = 3\ncell = "lstm"\n')
    assert values == {"max_minutes": 2.0, "tie_weights": True, "epochs": 3, "cell": "lstm"}
    assert isinstance(values["max_minutes"], float)


def test_an_empty_file_says_nothing(here: Path) -> None:
    assert read("") == {}


def test_a_mark_at_the_beginning_and_windows_lines_are_nothing(here: Path) -> None:
    assert read(b"\xef\xbb\xbfepochs = 1\r\nseed = 2\r\n") == {"epochs": 1, "seed": 2}


# What is wrong

WRONG = {
    "hiden_size = 3": ["line 1", "'hiden_size'", "Did you mean 'hidden_size'?"],
    "# so\n\nhidden-siz = 3": ["line 3", "'hidden-siz'", "Did you mean 'hidden-size'?"],
    "Epochs = 3": ["line 1", "Did you mean 'epochs'?"],
    "zzz = 3": ["line 1", "'zzz'", "charlm train --help"],
    "xs = [1]": ["line 1", "'xs'"],
    "vocabulary_size = 5": ["line 1", "'vocabulary_size'"],
    'hidden_size = "16"': ["line 1", "a whole number, not '16'"],
    "hidden_size = true": ["line 1", "a whole number, not true"],
    "hidden_size = 16.0": ["line 1", "a whole number, not 16.0"],
    "learning_rate = 'x'": ["line 1", "a number, not 'x'"],
    "tie_weights = 1": ["line 1", "true or false, not 1"],
    "cell = 1": ["line 1", "a text in quotes, not 1"],
    "seed = 2020-01-02": ["line 1", "a whole number, not 2020-01-02"],
    "cell = ['gru']": ["line 1", "a text in quotes"],
    "corpus = []": ["line 1", "or a list of them, not []"],
    "corpus = ['a', 1]": ["line 1", "or a list of them"],
    "epochs = 1\nhidden_size = 0": ["line 2", "hidden_size must be at least 1, not 0"],
    "learning_rate = inf": ["line 1", "learning_rate must be above 0"],
    "dropout = 1.0": ["line 1", "dropout must be at least 0 and below 1"],
    "schedule = 'linear'": ["line 1", "schedule must be constant or cosine"],
    "threads = 0": ["line 1", "threads must be at least 1"],
    "repeat = 1": ["line 1", "repeat must be at least 2"],
    "cell = 'gro'": ["line 1", "no cell called 'gro'", "Did you mean 'gru'?"],
    "preset = 'larg'": ["line 1", "no preset called 'larg'", "Did you mean 'large'?"],
    "task = 'label'": ["line 1", "no task called 'label'"],
    "device = 'gpu'": ["line 1", "no device called 'gpu'"],
    "backend = 'fuse'": ["line 1", "Did you mean 'fused'?"],
    "normalize = 'letter'": ["line 1", "Did you mean 'letters'?"],
    "epochs = 1\n[model]\ncell = 'gru'": ["line 2", "'model' is a table"],
    "model.cell = 'gru'": ["line 1", "'model' is a table"],
    "[[runs]]\na = 1": ["line 1", "'runs' is a table"],
    "hidden-size = 1\nhidden_size = 2": ["line 2", "'hidden_size' stands there already"],
    "resume = 'x'": ["line 1", "for the command line only"],
    "config = 'x'": ["line 1", "for the command line only"],
    "epochs = 1\ncell = gru": ["no TOML", "line 2"],
    "epochs = 1\nepochs = 2": ["no TOML", "line 2"],
    'cell = """gru': ["no TOML"],
    "a = " + "[" * 5000: ["no TOML"],
}


@pytest.mark.parametrize("content", WRONG, ids=lambda each: each[:30])
def test_what_is_wrong_is_told_with_its_place(content: str, here: Path) -> None:
    message = refused(content)
    assert message.startswith("'run.toml'")
    assert all(words in message for words in WRONG[content]), message


def test_a_file_that_cannot_be_read_is_named(here: Path) -> None:
    assert "not UTF-8 at byte 4" in refused(b"a = \xff")
    Path("folder").mkdir()
    for path in ("nothing.toml", "folder", "nul\0"):
        with pytest.raises(UsageError, match="cannot be read") as caught:
            read_settings_file(path)
        assert caught.value.exit_code == 2
        assert caught.value.hint


# Paths


def test_paths_are_seen_from_the_files_folder(here: Path) -> None:
    Path("project/deep").mkdir(parents=True)
    Path("project/run.toml").write_text(
        """
corpus = ["book.txt", "../other.txt", "tiny-shakespeare", "-", "*.md"]
test = "test.csv"
val = "val.csv"
pretrained_vectors = "deep/glove.txt"
plot = "curves.png"
runs_dir = "kept"
init_from = "kept/mine"
"""
    )
    values = read_settings_file("project/run.toml").values
    project = Path("project")
    assert "tiny-shakespeare" in CATALOG
    assert values == {
        "corpus": [
            str(project / "book.txt"),
            str(project / "../other.txt"),
            "tiny-shakespeare",
            "-",
            str(project / "*.md"),
        ],
        "test": str(project / "test.csv"),
        "val": str(project / "val.csv"),
        "pretrained_vectors": str(project / "deep/glove.txt"),
        "plot": str(project / "curves.png"),
        "runs_dir": str(project / "kept"),
        "init_from": str(project / "kept/mine"),
    }


def test_whole_paths_homes_and_names_of_runs_stay(here: Path) -> None:
    Path("project").mkdir()
    whole = str(here / "book.txt")
    Path("project/run.toml").write_text(
        f"corpus = '{whole}'\nruns_dir = '~/runs'\ninit_from = 'mine'\n"
    )
    values = read_settings_file("project/run.toml").values
    assert values == {"corpus": [whole], "runs_dir": "~/runs", "init_from": "mine"}


def test_a_folder_with_brackets_in_its_name_is_no_pattern(here: Path) -> None:
    folder = here / "books [old]"
    folder.mkdir()
    (folder / "one.txt").write_text("The time traveller. " * 40)
    (folder / "run.toml").write_text('corpus = "*.txt"\nhidden_size = 4\nmax_steps = 1\n')
    settings = charlm.read_settings(folder / "run.toml")
    run = charlm.train(**settings, batch_size=2, seq_length=8, preset="d2l")
    assert run.directory.record.corpus["source"] == [str(folder / "one.txt")]


# From Python


def test_python_takes_what_a_file_says(here: Path) -> None:
    Path("book.txt").write_text("The time traveller smiled. " * 30)
    Path("run.toml").write_text(
        'corpus = "book.txt"\npreset = "none"\nhidden-size = 4\nmax_steps = 2\nbatch_size = 2\n'
        'seq_length = 8\nrun = "mine"\nthreads = 1\nquiet = true\njson = true\nplot = "a.png"\n'
    )
    settings = charlm.read_settings("run.toml")
    assert not set(OF_THE_COMMAND_LINE) & settings.keys()
    run = charlm.train(**settings | {"cell": "lstm"})
    assert (run.name, run.config.cell, run.config.hidden_size) == ("mine", "lstm", 4)


def test_an_error_about_what_stands_in_the_file_is_given_its_place(here: Path) -> None:
    Path("run.toml").write_text("epochs = 1\nmomentum = 0.5\ncorpus = 'gone.txt'\n")
    file = read_settings_file("run.toml")
    told = file.error_about(SettingError("momentum", "is for --optimizer sgd only."))
    assert str(told) == "'run.toml', line 2: momentum is for --optimizer sgd only."
    other = SettingError("dropout", "does nothing.")
    assert file.error_about(other) is other
    text = file.error_about(UsageError("There is no file called 'gone.txt'.", "Name one."))
    assert text.message == "'run.toml', line 3: There is no file called 'gone.txt'."
    assert text.hint == "Name one."
