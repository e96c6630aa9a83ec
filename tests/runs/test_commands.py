"""Commands that the program prints do what they say when they are pasted."""

import ast
import errno
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runner import Result, charlm

import charlm as package
from charlm.cli.evaluate import over_limit
from charlm.errors import RunError
from charlm.runs.commands import command, run_command
from charlm.tasks.registry import open_run

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40
SMALL = ("--max-steps", "2", "--hidden-size", "5", "--batch-size", "3", "--seq-length", "7")
# Folders that a shell would take apart, or a command for an option.
FOLDERS = ["runs", "my runs", 'it\'s "mine" $HOME', "-runs", "سفرنامه", "a/../b"]


def printed(text: str) -> list[str]:
    """The commands in what was printed: each begins a line, stands in parentheses or ends one."""
    found = re.findall(r"\((charlm [^()]*)\)|(?:^|: | {2,})(charlm .*)$", text, re.MULTILINE)
    return [inside or at_end for inside, at_end in found]


def paste(line: str) -> Result:
    words = shlex.split(line)
    assert words[0] == "charlm"
    return charlm(*words[1:])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    (tmp_path / "book.txt").write_text(TEXT)
    return tmp_path


def test_no_command_in_a_message_is_written_by_hand() -> None:
    """Those that are would lack the run's folder and the shell's quotes."""
    found = []
    for path in Path(package.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        found += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and id(node) not in documentation
            and isinstance(node.value, str)
            and re.search(r"\bcharlm (train|generate|eval|vocab|bench|corpus|runs)\b", node.value)
        ]
    # Of no run, and of no file.
    of_corpora = r"`charlm corpus (list|prepared --delete)`"
    assert len(found) == 2
    assert all(re.search(of_corpora, each) for each in found)


def trained(name: str, folder: str) -> Result:
    result = charlm("train", "book.txt", f"--run={name}", f"--runs-dir={folder}", *SMALL)
    assert result.code == 0, result.err
    return result


def test_a_command_is_quoted_for_the_shell() -> None:
    assert command("eval", "my book.txt") == "charlm eval 'my book.txt'"
    assert command("train", tie_weights=True, cell=None, prefix="-x") == (
        "charlm train --tie-weights --prefix=-x"
    )
    assert command("runs", "list", folder=Path("runs")) == "charlm runs list"
    assert command("runs", "list", folder=Path("a b")) == "charlm runs list --runs-dir 'a b'"


def test_the_shells_own_settings_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_RUNS_DIR", "elsewhere")
    assert run_command(Path("elsewhere/r"), "runs", "show") == "charlm runs show r"
    assert run_command(Path("runs/r"), "runs", "show") == "charlm runs show r --runs-dir runs"


def test_a_run_that_another_would_be_taken_for_is_named_by_its_path(here: Path) -> None:
    (here / "r").mkdir()
    (here / "r" / "run.json").write_text("")
    assert run_command(Path("runs/r"), "eval", option="run") == "charlm eval --run runs/r"
    assert run_command(Path("copies/my run"), "eval", option="run") == (
        "charlm eval --run 'copies/my run'"
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_comes_next_is_about_this_run(folder: str) -> None:
    said = trained("mine", folder).err
    trained("newer", folder)
    commands = [line.strip() for line in said.partition("Next: ")[2].splitlines()]
    assert [shlex.split(line)[1] for line in commands] == ["generate", "eval", "report"]
    generated, scored, shown = map(paste, commands)
    assert generated.code == scored.code == shown.code == 0
    assert len(generated.out) > 100
    assert "run\tmine\n" in scored.out
    assert Path(folder, "mine", "report.html").is_file()


def stopped_before_anything_was_saved(run: Path) -> None:
    for each in ("best", "last"):
        for file in (run / each).iterdir():
            file.unlink()
        (run / each).rmdir()


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("arguments", "happened", "outcome"),
    [
        (("train", "book.txt", "--run", "r", *SMALL), None, "finished"),
        (("generate", "--run", "r"), stopped_before_anything_was_saved, "begins again"),
    ],
)
def test_commands_in_errors(
    folder: str,
    arguments: tuple[str, ...],
    happened: Callable[[Path], None] | None,
    outcome: str,
) -> None:
    trained("r", folder)
    if happened:
        happened(Path(folder) / "r")
    failed = charlm(*arguments, f"--runs-dir={folder}")
    assert failed.code > 0
    for line in printed(failed.err):
        done = paste(line if "delete" not in line else f"{line} --yes")
        assert outcome in done.err or "Deleted r." in done.err
    assert (Path(folder) / "r").exists() == (happened is not None)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("generate",), ""),
        (("runs", "list"), ""),
        (("runs", "show", "mine"), "mine"),
        (("eval", "--run", "mine"), "mine"),
    ],
)
def test_the_command_that_makes_the_run_that_was_missing(
    folder: str, arguments: tuple[str, ...], name: str
) -> None:
    missing = charlm(*arguments, f"--runs-dir={folder}")
    (line,) = printed(missing.err)
    made = charlm(*shlex.split(line)[1:], "book.txt", *SMALL)
    assert made.code == 0, made.err
    assert charlm(*arguments, f"--runs-dir={folder}", "--json").code == 0


def test_a_path_without_a_run() -> None:
    trained("r", "my runs")
    with pytest.raises(RunError) as failed:
        open_run(Path("my runs/nosuch"))
    (line,) = printed(str(failed.value))
    assert "lstm 5" in paste(line).out


def test_a_vocabulary_that_cannot_be_written_is_no_matter_of_runs(here: Path) -> None:
    result = charlm("vocab", "book.txt", "--out", "nosuch/v.json")
    assert result.code == 1
    assert "Cannot write to 'nosuch/v.json': no such file or directory" in result.err
    assert "--runs-dir" not in result.err
    assert "--out" in result.err


@pytest.mark.parametrize(("clip", "advice"), [("0", "a --clip-norm such as 1"), ("1", "a lower")])
def test_what_helps_against_divergence_depends_on_what_there_was(clip: str, advice: str) -> None:
    result = charlm(
        "train", "book.txt", "--run", "r", *SMALL[2:], "--max-steps", "400", "--optimizer", "sgd",
        "--learning-rate", "1e30", "--clip-norm", clip, "--schedule", "constant",
        "--initialization", "normal", "--warmup-steps", "0",
    )  # fmt: skip
    assert result.code == 1, result.err
    assert f"Train anew with a lower --learning-rate or {advice}" in result.err


# Homes


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "book.txt", "--runs-dir", "~nosuchuser/r"),
        ("train", "~nosuchuser/book.txt"),
        ("train", "book.txt", "--resume", "r", "--runs-dir", "~nosuchuser/r"),
        ("train", "--init-from", "r", "--runs-dir", "~nosuchuser/r"),
        ("eval", "--runs-dir", "~nosuchuser/r"),
        ("generate", "--runs-dir", "~nosuchuser/r"),
        ("runs", "list", "--runs-dir", "~nosuchuser/r"),
        ("runs", "show", "--runs-dir", "~nosuchuser/r"),
        ("runs", "delete", "r", "--yes", "--runs-dir", "~nosuchuser/r"),
        ("vocab", "~nosuchuser/book.txt"),
        ("vocab", "~nosuchuser/*.txt"),
        ("vocab", "book.txt", "--out", "~nosuchuser/v.json"),
        ("corpus", "show", "~nosuchuser/book.txt"),
    ],
    ids=" ".join,
)
def test_a_home_that_nobody_knows(arguments: tuple[str, ...]) -> None:
    result = charlm(*arguments)
    assert result.code in (1, 2)
    assert result.out == ""
    if "--resume" not in arguments:
        assert "there is no user 'nosuchuser' here" in result.err


@pytest.mark.parametrize("variable", ["CHARLM_RUNS_DIR", "CHARLM_CACHE_DIR"])
def test_a_home_in_the_environment_that_nobody_knows(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "~nosuchuser/r")
    commands = {
        "CHARLM_RUNS_DIR": ("runs", "list"),
        "CHARLM_CACHE_DIR": ("corpus", "list"),
    }
    result = charlm(*commands[variable])
    assert result.code == 2
    assert "'~nosuchuser/r' leads nowhere: there is no user 'nosuchuser' here" in result.err


def test_no_home_at_all(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "CHARLM_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    result = charlm("corpus", "list")
    assert result.code == 2
    assert "CHARLM_CACHE_DIR" in result.err
    assert charlm("corpus", "download", "time-machine").code == 2
    assert charlm("vocab", "book.txt").code == 0
    assert charlm("runs", "list", "--runs-dir", "~/r").code == 2
    assert not (here / "~").exists()


# What messages say where they appear


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--val-fraction 0.6 --test-fraction 0.5", "--val-fraction and --test-fraction leave"),
        ("--tie-weights --embedding-size 0", "--tie-weights needs character vectors: give --emb"),
        ("--random-lengths --sampling random", "not for --sampling 'random'."),
        ("--max-minutes inf", "--max-minutes must be above 0 and finite, not inf."),
        ("--weight-decay 1e999", "--weight-decay must be at least 0 and finite, not inf."),
        ("--dropout inf", "--dropout must be at least 0 and below 1, not inf."),
    ],
)
def test_settings_are_named_as_they_are_written(arguments: str, said: str) -> None:
    result = charlm("train", "book.txt", *arguments.split())
    assert result.code == 2
    assert said in result.err


def test_what_cannot_change_on_resuming_is_told_in_options() -> None:
    trained("r", "runs")
    result = charlm("train", "--resume", "r", "--cell", "lstm")
    assert "--epochs, --max-steps, --max-minutes" in result.err
    assert "_" not in result.err


def test_a_text_that_a_run_reads_nothing_of(here: Path) -> None:
    (here / "digits.txt").write_text("12345\n" * 9)
    made = charlm("train", "book.txt", "--run", "r", "--normalize", "letters-by-line", *SMALL)
    assert made.code == 0
    result = charlm("eval", "digits.txt")
    assert result.code == 1
    assert "--normalize none (train, vocab, corpus show)" in result.err


@pytest.mark.parametrize(
    ("held_out", "advice"),
    [
        (("--val-fraction", "0"), "Give a longer text."),
        (("--val-fraction", "0", "--test-fraction", "0.1"), "hold out less with --test-fraction."),
        (("--test-fraction", "0.1"), "hold out less with --val-fraction and --test-fraction."),
        ((), "hold out less with --val-fraction."),
    ],
)
def test_what_helps_a_short_text(here: Path, held_out: tuple[str, ...], advice: str) -> None:
    (here / "short.txt").write_text("a")
    assert advice in charlm("train", "short.txt", *held_out).err


def test_a_limit_of_perplexity_is_a_number() -> None:
    trained("r", "runs")
    for limit, said in {
        "inf": "--max-perplexity must be at least 1 and finite.\n",
        "-1e999": "--max-perplexity must be at least 1 and finite.\n",
        "nan": "--max-perplexity must be at least 1, not nan.\n",
        "0.5": "--max-perplexity must be at least 1, not 0.5.\n",
    }.items():
        result = charlm("eval", f"--max-perplexity={limit}")
        assert (result.code, said in result.err) == (2, True), result.err


def test_why_a_score_is_refused() -> None:
    assert over_limit(math.nan, 30) == (
        "The perplexity is not a number, and so not within the limit of 30."
    )
    assert over_limit(math.inf, 30) == (
        "The perplexity is too large for a number, above the limit of 30."
    )
    assert over_limit(31, 30) == "The perplexity 31.000 is above the limit of 30."
    assert over_limit(30.000004, 30) == "The perplexity 30.000004 is above the limit of 30."


def test_a_run_that_cannot_be_written_or_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    trained("r", "my runs")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("charlm.runs.deletion.remove_folder", refuse)
    result = charlm("runs", "delete", "r", "--yes", "--runs-dir", "my runs")
    assert result.code == 1
    assert "delete the folder by hand" in result.err
    assert "--runs-dir" not in result.err
    monkeypatch.setattr("charlm.runs.directory.replace_folder", refuse)
    monkeypatch.setattr("charlm.sessions.saving.PATIENCE", 0.0)
    result = charlm("train", "--resume", "r", "--max-steps", "4", "--runs-dir", "my runs")
    assert result.code == 1
    assert "charlm train --resume r --runs-dir 'my runs'" in result.err
