"""charlm inspect copying, as a user calls it."""

from pathlib import Path
from typing import Any

import pytest
from cli_runner import Result, charlm

TEXT = "".join(f"Line {n}: در {n * n} was, and\ta fox of {n % 7}.\n" for n in range(150))
SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
COPIED = TEXT[TEXT.index("Line 40") :][:60]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHARLM_RUNS_DIR", raising=False)
        Path("book.txt").write_text(TEXT, encoding="utf-8")
        Path("mine.txt").write_text(f"\x07#{COPIED}#\n", encoding="utf-8")
        for name, share in (("all", "0"), ("r", "0.1")):
            held = ("--val-fraction", share)
            result = charlm("train", "book.txt", "--run", name, *held, "--max-steps", "2", *SMALL)
            assert result.code == 0, result.err
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


def copying(*arguments: str, **about: Any) -> Result:
    return charlm("inspect", "copying", *arguments, **about)


def test_in_a_pipe() -> None:
    result = copying("mine.txt", "--run", "r", "--spans", "1")
    assert result.code == 0, result.err
    rows = [line.split("\t") for line in result.out.split("\n")]
    assert ["n", "this text", "held-out text"] in rows
    at = TEXT.index("Line 40")
    copied = COPIED.replace("\n", "\\n").replace("\t", "\\t")
    assert ["60", "3", str(at + 1), "41", copied] in rows
    thirty_two = next(row for row in rows if row[0] == "32")
    # The text has 64 characters and so 33 32-grams, of which 29 lie within what is copied.
    assert thirty_two[1] == f"{100 * 29 / 33:.2f}"


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_on_a_terminal(columns: int, term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    result = copying("mine.txt", "--run", "r", columns=columns, term=term)
    assert result.code == 0, result.err
    plain = " ".join(result.out.replace("\x1b[0m", "").replace("\x1b[1m", "").split())
    assert "60 characters: here from character 3, there from" in plain
    assert "line 41" in plain
    assert "\x07" not in result.out
    assert "\x1b[3" not in result.out  # a colour


def test_json_and_standard_input() -> None:
    result = copying("-", "--run", "r", "--json", "--spans", "1", stdin=f"#{COPIED}#").json
    assert result["run"] == "r"
    assert result["text"]["name"] == "stdin"
    (span,) = result["spans"]
    assert (span["text"], span["start"], span["place"]) == (COPIED, 1, TEXT.index("Line 40"))
    assert span["after"].startswith(TEXT[TEXT.index("Line 40") + 60 :][:20])


def test_a_text_in_words() -> None:
    result = copying(COPIED[:20], "--run", "r", "--json").json
    assert result["text"]["shares"]["16"] == 1.0
    assert result["text"]["shares"]["24"] is None


def test_without_a_text_the_run_writes_one() -> None:
    given = ("--length", "300", "--temperature", "0.5", "--seed", "7")
    result = copying("--run", "r", *given)
    assert "written by the run, temperature 0.5, seed 7, 300 characters" in result.out
    assert result.out == copying("--run", "r", *given).out
    assert copying("--run", "r", "--length", "300", "--json").json["text"]["characters"] == 300


def test_without_held_out_text_that_is_said() -> None:
    result = copying("--run", "all", "--length", "100", "--spans", "0")
    assert "Nothing was held out" in result.err
    assert "held-out" not in result.out
    assert "copied" not in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing.txt"], 1, "There is no file"),
        (["mine.txt", "--seed", "1"], 2, "--seed is of a text that the run writes"),
        (["--encoding", "latin-1"], 2, "--encoding is of a text that is named"),
        (["--temperature", "0", "--seed", "1"], 2, "--seed does nothing"),
        ([""], 2, "There is nothing in 'text'"),
        (["--length", "0"], 2, "There is nothing in 'written by the run"),
        (["--run", "nobody"], 1, "nobody"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments: list[str], code: int, said: str) -> None:
    result = copying("--run", "r", *arguments)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert "Traceback" not in result.err


def test_no_option_for_several_texts() -> None:
    assert copying("--num-samples", "2").code == 2
