"""`charlm inspect neurons`, as a user types it, on a run whose weights are set by hand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runner import Result, charlm
from latch import UNIT, ids_of, latching, text_with_quotes
from safetensors.numpy import load_file, save_file

from charlm.api import load
from charlm.inspection.shift_test import LEAST_CHARACTERS

SHORT = 2 * LEAST_CHARACTERS
SMALL = ("--hidden-size", "8", "--num-layers", "1", "--batch-size", "4", "--seq-length", "16")
SMALL += ("--precision", "fp32", "--embedding-size", "0", "--max-steps", "2", "--normalize", "none")


def run(*arguments: str, columns: int | None = None) -> Result:
    result = charlm("inspect", "neurons", *arguments, columns=columns)
    assert result.code == 0, result.err
    return result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: an lstm with a unit inside quotes, and an rnn."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHARLM_RUNS_DIR", raising=False)
        Path("text.txt").write_text(text_with_quotes(0, 4_000), encoding="utf-8")
        Path("other.txt").write_text(text_with_quotes(1, SHORT), encoding="utf-8")
        for name, cell in (("rnn", "rnn"), ("latch", "lstm")):
            made = charlm("train", "text.txt", "--run", name, "--cell", cell, *SMALL)
            assert made.code == 0, made.err
        # The same alphabet in the order of this run's ids.
        trained, model = load("latch"), latching()
        order = [0, *(int(ids_of(each)[0]) for each in trained.vocabulary.entries)]
        weights = {name: each.numpy().copy() for name, each in model.weights().items()}
        weights["rnn.weight_ih_l0"] = np.ascontiguousarray(weights["rnn.weight_ih_l0"][:, order])
        file = Path("runs/latch/best/model.safetensors")
        assert {name: each.shape for name, each in load_file(file).items()} == {
            name: each.shape for name, each in weights.items()
        }
        save_file(weights, file)
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(home)
    for name in ("CHARLM_RUNS_DIR", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    yield


@pytest.fixture(scope="module")
def piped(home: Path) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        return run("other.txt", "--property", "bcd=[bcd]{2,}")


def test_the_findings_are_lines_for_programs(piped: Result) -> None:
    blocks = [block.split("\n") for block in piped.out.strip().split("\n\n")]
    facts = dict(line.split("\t") for line in blocks[0])
    assert facts["text"] == "other (all)"
    assert facts["characters read"] == str(SHORT)
    assert facts["test"] == "199 shifts by 10 characters"
    assert facts["reported if"] == "p ≤ 0.05, and held out AUC ≥ 0.8 or R² ≥ 0.2"
    assert blocks[1][1].startswith("property\tlayer\tunit\tactivity\theld out\tp\tfound\tuntrained")
    assert blocks[1][2].startswith(f"inside quotes\t0\t{UNIT}\ttanh(C)\tAUC 1.00\t0.01\t")
    rows = [line.split("\t") for line in blocks[-1]]
    assert rows[0][-3:] == ["before", "character", "after"]
    assert [row[4] for row in rows[1:16]] == ["highest"] * 5 + ["lowest"] * 5 + ["random"] * 5
    assert all(len(row) == 10 for row in rows)
    assert "inside brackets (never holds in the text)" in piped.out


def test_json_is_what_python_gives() -> None:
    options = ("other.txt", "--units", "2", "--seed", "3", "--gate", "C")
    wanted = load("latch").inspect.neurons("other.txt", units=2, seed=3, gate="C")
    known = run(*options, "--json").json
    assert known.pop("run") == "latch"
    assert known == wanted.to_json()
    assert known["seed"] == 3
    assert known["searched"] == 8


def test_a_terminal_shows_excerpts(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("other.txt", "--gate", "C", columns=80).out
    assert f"inside quotes: layer 0, unit {UNIT}, tanh(C), AUC 1.00, rises with it" in plain
    assert "highest:" in plain
    assert max(map(len, plain.splitlines())) <= 80
    excerpt = plain.split("highest:\n")[1].splitlines()[0]
    assert excerpt.startswith("   0.76  ")
    assert "[" in excerpt
    monkeypatch.setenv("COLORTERM", "truecolor")
    coloured = charlm("inspect", "neurons", "other.txt", columns=80, term="xterm-256color").out
    assert "\x1b[1;4;" in coloured


def test_one_unit_colours_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("ab “cd” a", "--layer", "0", "--unit", str(UNIT))
    rows = [line.split("\t") for line in run(*options).out.strip().split("\n\n")[1].split("\n")]
    assert [row[:2] for row in rows[2:5]] == [["3", "space"], ["4", "“"], ["5", "c"]]
    assert [float(row[2]) for row in rows] == pytest.approx(
        [0, 0, 0, *[np.tanh(1)] * 3, 0, 0, 0], abs=1e-4
    )
    plain = run(*options, columns=60).out
    assert "ab “cd” a\n555888555\n" in plain
    assert "0 is -1.00, 9 is 1.00" in plain
    monkeypatch.setenv("COLORTERM", "truecolor")
    coloured = charlm("inspect", "neurons", *options, columns=60, term="xterm-256color").out
    assert "blue -1.00, white the middle, red 1.00" in coloured
    gate = run(*options, "--gate", "f", "--json").json
    assert (gate["what"], gate["low"], gate["high"]) == ("f", 0, 1)
    assert gate["activity"][3] == pytest.approx(0, abs=1e-6)


def test_a_long_text_is_cut_short_unless_asked() -> None:
    options = ("other.txt", "--layer", "0", "--unit", str(UNIT))
    cut, whole = run(*options).out, run(*options, "--whole").out
    assert "characters shown\tthe first 3000 of 7920" in cut
    assert "characters shown\t7920" in whole
    assert (cut.count("\n"), whole.count("\n")) == (6 + 3_000, 6 + 7_920)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_saturation_is_drawn(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"gates.{ending}"
    told = run("other.txt", "--saturation", str(file))
    assert file.stat().st_size > 5_000
    assert "0\tf\t8\t0\t1\tforgets the memory C\tkeeps the memory C" in told.out
    known = run("other.txt", "--saturation", str(file), "--json").json
    assert known["file"] == str(file)
    assert known["gates"][1]["right"][UNIT] > 0.9
    assert known["gates"] == load("latch").inspect.saturation("other.txt").to_json()["gates"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "0"), "One unit is meant by --layer and --unit together. Give both."),
        (("ab", "--layer", "1", "--unit", "0"), "There is no layer 1. The only one is 0."),
        (
            ("ab", "--layer", "0", "--unit", "8"),
            "There is no unit 8. They are numbered from 0 to 7",
        ),
        (
            ("other.txt", "--gate", "z"),
            "The cell lstm has no activity 'z'. It has tanh(C), h, i, f, g, o.",
        ),
        (
            ("other.txt", "--property", "mine=("),
            "'(' is no regular expression: missing ), unterminated",
        ),
        (("other.txt", "--property", "mine"), "--property is NAME=REGEX, and 'mine' is not."),
        (
            ("other.txt", "--property", "a=b", "--property", "a=c"),
            "--property has the name 'a' twice.",
        ),
        (("other.txt", "--property", "vowel=a"), "There is a property 'vowel' already."),
        (("text.txt", "--split", "all"), "A text of 2,000 characters is too short for 199 shifts."),
        (("--saturation", "a.png", "--run", "rnn"), "The cell rnn has no gates."),
        (("--saturation", "a.xyz"), "'a.xyz' does not say what kind of picture it is."),
        (("--saturation", "a.png", "--units", "2"), "--units does not go with --saturation"),
        (("--saturation", "a.png", "--gate", "f"), "--gate does not go with --saturation"),
        (("--saturation", "a.png", "--whole"), "--whole does not go with --saturation"),
        (("--layer", "0", "--unit", "0", "--seed", "1"), "--seed is for a search"),
        (("--whole",), "--whole is for the text of one unit"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], message: str) -> None:
    result = charlm("inspect", "neurons", *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not result.out
