"""`charlm train --config` and `charlm runs show --toml`: what goes before what."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_runner import charlm
from safetensors.numpy import load_file

from charlm.runs.directory import RunDirectory

CONFIG = """
corpus = "book.txt"
preset = "none"
hidden-size = 5
batch_size = 3
seq_length = 7
max_steps = 2
tie_weights = false
quiet = true
run = "mine"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("CHARLM_RUNS_DIR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("book.txt").write_text("The time traveller smiled round at us. " * 20)
    Path("run.toml").write_text(CONFIG)
    return tmp_path


def settings(name: str, folder: str = "runs") -> dict[str, Any]:
    record = RunDirectory.open(Path(folder) / name).record
    return {**record.data, **record.model, **record.train}


def test_a_file_says_what_options_would(here: Path) -> None:
    options = "--preset none --hidden-size 5 --batch-size 3 --seq-length 7 --max-steps 2 -q"
    assert charlm("train", "book.txt", *options.split(), "--run", "typed").code == 0
    result = charlm("train", "--config", "run.toml")
    assert result.code == 0
    assert "step" not in result.err.partition("Next:")[0]
    assert settings("typed") == settings("mine")
    weights = [load_file(f"runs/{name}/best/model.safetensors") for name in ("typed", "mine")]
    assert all((weights[0][name] == each).all() for name, each in weights[1].items())


def test_the_command_line_goes_before_the_file(here: Path) -> None:
    Path("other.txt").write_text("But he was not the man to go. " * 20)
    options = ("other.txt", "--run", "typed", "--cell", "lstm", "--hidden-size", "4")
    assert charlm("train", *options, "--config", "run.toml").code == 0
    found = settings("typed")
    assert (found["cell"], found["hidden_size"], found["batch_size"]) == ("lstm", 4, 3)
    assert RunDirectory.open(Path("runs/typed")).record.corpus["name"] == "other"


def test_a_switch_of_the_command_line_goes_before_the_file(here: Path) -> None:
    Path("run.toml").write_text(CONFIG.replace("tie_weights = false", "layer_norm = true"))
    assert charlm("train", "--config", "run.toml", "--no-layer-norm").code == 0
    assert settings("mine")["layer_norm"] is False


def test_a_limit_of_the_command_line_replaces_those_of_the_file(here: Path) -> None:
    assert charlm("train", "--config", "run.toml", "--epochs", "1").code == 0
    found = settings("mine")
    assert (found["epochs"], found["max_steps"], found["max_minutes"]) == (1, None, None)


def test_the_file_goes_before_the_preset(here: Path) -> None:
    Path("run.toml").write_text(CONFIG.replace('"none"', '"d2l"'))
    assert charlm("train", "--config", "run.toml").code == 0
    found = settings("mine")
    assert (found["hidden_size"], found["optimizer"]) == (5, "sgd")


def test_the_environment_goes_before_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.toml").write_text(CONFIG + 'runs_dir = "of the file"\nthreads = 7\n')
    monkeypatch.setenv("CHARLM_RUNS_DIR", "of the environment")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert charlm("train", "--config", "run.toml").code == 0
    record = RunDirectory.open(Path("of the environment/mine")).record
    assert record.threads == 1
    assert not Path("of the file").exists()
    options = ("--runs-dir", "typed", "--config", "run.toml")
    assert charlm("train", *options).code == 0
    assert Path("typed/mine").is_dir()


def test_a_runs_folder_of_the_file_lies_beside_it(here: Path) -> None:
    Path("project").mkdir()
    Path("book.txt").rename("project/book.txt")
    Path("project/run.toml").write_text(CONFIG + 'runs_dir = "kept"\n')
    assert charlm("train", "--config", "project/run.toml").code == 0
    assert Path("project/kept/mine").is_dir()


def test_a_persian_text_with_odd_names(here: Path) -> None:
    Path("کتاب 'من'.txt").write_text("این یک کتاب کوچک است. " * 30, encoding="utf-8")
    Path("run.toml").write_text(CONFIG.replace("book.txt", "کتاب 'من'.txt"), encoding="utf-8")
    assert charlm("train", "--config", "run.toml").code == 0
    shown = charlm("runs", "show", "mine", "--toml")
    Path("again.toml").write_text(shown.out, encoding="utf-8")
    assert charlm("train", "--config", "again.toml", "-q", "--run", "again").code == 0
    weights = [load_file(f"runs/{name}/best/model.safetensors") for name in ("mine", "again")]
    assert all((weights[0][name] == each).all() for name, each in weights[1].items())


@pytest.mark.parametrize(
    ("line", "arguments", "code", "told"),
    [
        ("hiden_size = 3", (), 2, "'run.toml', line 11: there is no option 'hiden_size'."),
        ("momentum = 0.5", (), 2, "'run.toml', line 11: momentum is for --optimizer sgd only."),
        ("dropout = 0.5", (), 2, "'run.toml', line 11: dropout is between layers"),
        ("", ("--momentum", "0.5"), 2, "Error: --momentum is for --optimizer sgd only."),
        ("init_from = 'gone'", (), 1, "'run.toml', line 11: There is no run called 'gone'"),
        ("folds = 3", (), 2, "'run.toml', line 11: folds is a setting of another task"),
        ("", ("--config", "gone.toml"), 2, "'gone.toml' cannot be read"),
        ("", ("--resume", "mine"), 2, "--config and --resume do not go together"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    line: str, arguments: tuple[str, ...], code: int, told: str, here: Path
) -> None:
    Path("run.toml").write_text(CONFIG + line + "\n")
    result = charlm("train", "--config", "run.toml", *arguments)
    assert (result.code, told in result.err) == (code, True), result.err
    assert not Path("runs/mine").exists()


def test_a_text_of_the_file_that_is_not_there_is_told_with_its_line(here: Path) -> None:
    Path("book.txt").unlink()
    result = charlm("train", "--config", "run.toml")
    assert result.code == 1
    assert "'run.toml', line 2: There is no file and no corpus called 'book.txt'." in result.err


def test_several_folds_and_seeds_from_a_file(here: Path) -> None:
    Path("run.toml").write_text(CONFIG + "repeat = 2\njson = true\n")
    result = charlm("train", "--config", "run.toml")
    assert [each["run"] for each in result.json["runs"]] == ["mine-seed-0", "mine-seed-1"]
    rows = [f"a {word} film,{label}" for word, label in (("lovely", "good"), ("dull", "bad"))]
    Path("book.csv").write_text("\n".join(["text,label", *rows * 30]) + "\n")
    table = CONFIG.replace("book.txt", "book.csv").replace("seq_length = 7\n", "")
    Path("run.toml").write_text(table + "task = 'classification'\nfolds = 2\njson = true\n")
    result = charlm("train", "--config", "run.toml")
    assert [each["run"] for each in result.json["folds"]] == ["mine-fold-1", "mine-fold-2"]


# runs show --toml


def test_the_file_of_a_run_goes_to_standard_output_and_doubts_to_standard_error(
    here: Path,
) -> None:
    assert charlm("train", "--config", "run.toml").code == 0
    shown = charlm("runs", "show", "mine", "--toml", columns=60)
    assert (shown.code, shown.err) == (0, "")
    assert tomllib.loads(shown.out)["hidden_size"] == 5
    assert charlm("train", "--resume", "mine", "--max-steps", "3", "-q").code == 0
    shown = charlm("runs", "show", "mine", "--toml")
    assert "From step 2 on the run went on with other settings" in shown.err
    assert tomllib.loads(shown.out)["max_steps"] == 3
    both = charlm("runs", "show", "mine", "--toml", "--json")
    assert both.code == 2
    assert "do not go together" in both.err
