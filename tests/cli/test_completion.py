"""What the Tab key offers, asked as the shells ask, and in those shells that are here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from cli_runner import charlm
from made_runs import make_run

from charlm.presets import PRESETS
from charlm.rnn.cells import CELLS
from charlm.tasks.registry import TASKS
from charlm.tasks.regression.settings import PRESETS as OF_NUMBERS
from charlm.text.catalog import CATALOG

SHELLS = ("bash", "zsh", "fish", "powershell")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    make_run(tmp_path / "runs", "mine", [])
    make_run(tmp_path / "runs", "کتاب-gru-1", [])
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path


def asked(line: str, shell: str) -> Mapping[str, str]:
    """The environment in which a shell asks what may follow at the end of a line."""
    words = line.split(" ")
    return {
        "_CHARLM_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
    }


def offered(line: str, shell: str = "bash") -> str:
    """What charlm writes for a shell."""
    with patch.dict(os.environ, asked(line, shell)):
        result = charlm()
    assert (result.code, result.err) == (0, "")
    return result.out


def words(line: str) -> list[str]:
    """What bash is offered."""
    return offered(line).split()


def test_commands_and_options(here: Path) -> None:
    assert {"train", "generate", "runs", "doctor"} <= set(words("charlm "))
    assert words("charlm doc") == ["doctor"]
    assert words("charlm runs sh") == ["show"]
    assert words("charlm train --hidden") == ["--hidden-size"]
    assert "--install-completion" in words("charlm --in")


@pytest.mark.parametrize(
    "line",
    [
        "charlm generate --run ",
        "charlm eval --run ",
        "charlm predict text --run ",
        "charlm train --resume ",
        "charlm train --init-from ",
        "charlm runs show ",
        "charlm runs compare ",
        "charlm runs delete ",
        "charlm report ",
        "charlm plot ",
        "charlm inspect surprise --run ",
        "charlm inspect memory --run ",
        "charlm inspect neurons --run ",
        "charlm inspect copying --run ",
    ],
)
def test_runs(line: str, here: Path) -> None:
    assert words(line) == ["mine", "کتاب-gru-1"]
    assert words(f"{line}m") == ["mine"]
    assert words(f"{line}nothing") == []


def test_a_run_that_is_named_already_is_not_offered_again(here: Path) -> None:
    assert words("charlm runs compare mine ") == ["کتاب-gru-1"]


def test_runs_of_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(here / "kept", "other", [])
    assert words("charlm generate --runs-dir kept --run ") == ["other"]
    monkeypatch.setenv("CHARLM_RUNS_DIR", "kept")
    assert words("charlm generate --run ") == ["other"]


def test_names_and_choices(here: Path) -> None:
    assert words("charlm train --cell ") == list(CELLS)
    assert words("charlm train --cell l") == ["lstm"]
    assert words("charlm train --task ") == list(TASKS)
    assert set(PRESETS) < set(words("charlm train --preset "))
    assert words("charlm train --task regression --preset ") == list(OF_NUMBERS)
    assert words("charlm train --optimizer ad") == ["adamw", "adam"]
    assert words("charlm train --device c") == ["cpu", "cuda"]
    assert words("charlm train --backend f") == ["fused"]
    assert words("charlm train --normalize ") == ["letters", "letters-by-line", "lower", "none"]
    assert words("charlm eval --split t") == ["train", "test"]
    assert words("charlm corpus download tiny") == ["tiny-shakespeare"]


def test_corpora_and_files(here: Path) -> None:
    Path("tiny-book.txt").touch()
    Path("tiny-books").mkdir()
    Path(".tiny-hidden").touch()
    everything = words("charlm train tiny")
    assert everything == ["tiny-shakespeare", "tiny-book.txt", "tiny-books/"]
    assert set(CATALOG) < set(words("charlm train "))
    # Where only files fit, the shell knows better.
    assert words("charlm train tiny-b") == []
    assert words("charlm train ./t") == []


@pytest.mark.parametrize("option", ["--config", "--plot", "--hidden-size", "--run", "--val"])
def test_files_are_left_to_the_shell(option: str, here: Path) -> None:
    assert words(f"charlm train {option} ") == []


def test_a_runs_folder_that_cannot_be_read_offers_nothing(here: Path) -> None:
    Path("file").touch()
    damaged = Path("bad/run.json/inside")
    damaged.mkdir(parents=True)
    (Path("runs") / "broken").mkdir()
    (Path("runs") / "broken" / "run.json").write_text("{")
    for folder in ("file", "gone", "~nobody-of-this-name/x", "bad"):
        assert words(f"charlm generate --runs-dir {folder} --run ") in ([], ["bad"])
    assert words("charlm generate --run b") == ["broken"]


def test_whatever_goes_wrong_offers_nothing(here: Path) -> None:
    with patch("charlm.runs.names.names_in", side_effect=PermissionError):
        assert words("charlm generate --run ") == []
    with patch("charlm.cli.completion.Path.iterdir", side_effect=PermissionError):
        assert words("charlm train tiny") == ["tiny-shakespeare"]


def test_each_shell_is_told_in_its_way(here: Path) -> None:
    assert offered("charlm train --cell l", "zsh").strip() == "_arguments '*: :((\"lstm\"))'"
    assert offered("charlm train ./b", "zsh").strip() == "_files"
    assert offered("charlm train --cell l", "fish").strip() == "lstm"
    fish = offered("charlm corpus download tiny", "fish").strip().split("\t")
    assert fish == ["tiny-shakespeare", CATALOG["tiny-shakespeare"].title]
    power = offered("charlm train --cell l", "powershell").split(":::")
    assert power[0] == "lstm"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = subprocess.run(
        [sys.executable, "-m", "charlm", "--show-completion", shell],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert f"complete_{shell}" in done.stdout
    assert "charlm" in done.stdout


def test_a_tab_imports_no_torch(here: Path) -> None:
    code = (
        "import sys\n"
        "from charlm.cli import main\n"
        "try:\n    main([])\n"
        "finally:\n"
        "    heavy = {'torch', 'numba', 'matplotlib', 'scipy', 'requests'} & sys.modules.keys()\n"
        "    print('heavy:', *heavy, file=sys.stderr)\n"
    )
    for line in ("charlm generate --run ", "charlm train --cell ", "charlm train t"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **asked(line, "bash")},
            capture_output=True,
            text=True,
        )
        assert done.stdout
        assert done.stderr.strip() == "heavy:"


# Real shells, where they are


@pytest.fixture
def program(here: Path) -> dict[str, str]:
    """An environment in which `charlm` is this one."""
    folder = here / "bin"
    folder.mkdir()
    script = folder / "charlm"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m charlm "$@"\n')
    script.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(here), "LC_ALL": "C.UTF-8"}


def answered(shell: str, script: str, environment: Mapping[str, str]) -> list[str]:
    """What a shell says of our completion, which it has been given."""
    if sys.platform == "win32" or shutil.which(shell) is None:
        pytest.skip(f"no {shell} is here")
    environment = {**environment, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = subprocess.run(
        [sys.executable, "-m", "charlm", "--show-completion", shell],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    Path(f"charlm.{shell}").write_text(shown.stdout)
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *options, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes(program: dict[str, str]) -> None:
    script = """
    source charlm.bash
    try() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _charlm_completion charlm
        echo "${COMPREPLY[@]}"
    }
    try charlm train --cell l
    try charlm generate --run m
    try charlm corpus download tiny
    """
    assert answered("bash", script, program) == ["lstm", "mine", "tiny-shakespeare"]


def test_fish_completes(program: dict[str, str]) -> None:
    script = """
    source charlm.fish
    complete -C "charlm train --cell l"
    complete -C "charlm generate --run m"
    """
    assert answered("fish", script, program) == ["lstm", "mine"]


def test_zsh_completes(program: dict[str, str]) -> None:
    """Within a pseudo-terminal, since zsh completes nowhere else."""
    script = r"""
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -D; source charlm.zsh; echo re''ady'
    zpty -r -m shell said '*ready*'
    zpty -w -n shell $'charlm train --cell ls\t --backend fu\t\n'
    sleep 0.1
    zpty -r -m shell said '*lstm*fused*'
    print -r -- ${said//[^a-z -]/ }
    zpty -d shell
    """
    said = answered("zsh", script, program)
    assert "lstm" in said
    assert "fused" in said


def test_it_is_installed_where_bash_reads_it(program: dict[str, str], here: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("bash is not at home here")
    environment = {**program, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "charlm", "--install-completion", "bash"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    script = here / ".bash_completions" / "charlm.sh"
    assert "complete_bash" in script.read_text()
    assert str(script) in (here / ".bashrc").read_text()
