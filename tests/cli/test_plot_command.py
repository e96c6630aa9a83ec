"""charlm plot, as a user types it."""

import json
import re
from pathlib import Path

import pytest
from cli_runner import Result, charlm
from made_runs import make_run, row

ROWS = [row(10, 3.0, 2.5), row(20, 2.0, 2.0), row(40, 1.5, 1.8)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CHARLM_RUNS_DIR", "COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    make_run(Path("runs"), "mine", ROWS)


def plot(*arguments: str, **more: object) -> Result:
    result = charlm("plot", *arguments, **more)  # type: ignore[arg-type]
    assert result.code == 0, result.err
    return result


def test_in_a_pipe_it_is_ascii_and_not_padded() -> None:
    out = plot().out
    assert out.isascii()
    lines = out.splitlines()
    assert lines[0].startswith("mine: gru ")
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "a training   A held out"


@pytest.mark.parametrize("columns", [60, 80])
def test_on_a_terminal_it_fits_and_is_coloured(columns: int) -> None:
    out = plot(columns=columns, term="xterm-256color").out
    assert "\x1b[36m" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert max(map(len, plain.splitlines())) <= columns
    assert re.search("[\u2801-\u28ff]", plain)
    assert "│" in plain


def test_without_colour_and_on_simple_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plot(columns=60, term="dumb").out.isascii()
    monkeypatch.setenv("LC_ALL", "C")
    simple = re.sub(r"\x1b\[[0-9;]*m", "", plot(columns=60, term="xterm").out)
    assert simple.isascii()
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("NO_COLOR", "1")
    out = plot(columns=60, term="xterm-256color").out
    assert "\x1b[3" not in out
    assert "│" in out


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".PNG"])
def test_a_picture_is_written(ending: str) -> None:
    result = plot("mine", "--out", f"curve{ending}", "--theme", "dark")
    assert result.out == ""
    assert result.err == f"Drawn: curve{ending}\n"
    assert Path(f"curve{ending}").stat().st_size > 1000


def test_json_is_what_is_drawn() -> None:
    values = plot("--json", "--x", "minutes", "--y", "bits").json
    assert (values["x"], values["y"], values["smoothed"]) == ("minutes", "bits/char", None)
    (run,) = values["runs"]
    assert run["run"] == "mine"
    assert run["held_out"] == {"x": [0.5, 1.0, 2.0], "y": [7.0, 7.0, 7.0]}
    both = plot("--json", "--out", "curve.png")
    assert both.json["runs"][0]["training"]["y"] == [3.0, 2.0, 1.5]
    assert Path("curve.png").exists()


def test_a_run_named_twice_is_drawn_once() -> None:
    make_run(Path("runs"), "other", ROWS, learning_rate=0.5)
    values = plot("mine", "runs/mine", "other", "--json").json
    assert [run["run"] for run in values["runs"]] == ["mine", "other"]
    assert values["runs"][1]["differs"] == "learning_rate 0.5"
    assert "b training   B held out   other: learning_rate 0.5" in plot("mine", "other").out


def test_what_a_name_holds_does_not_steer_the_terminal() -> None:
    record = json.loads(Path("runs/mine/run.json").read_text())
    make_run(Path("runs"), "other", ROWS)
    for name, text in (("mine", "a\x1b[2Jb"), ("other", "c")):
        record["corpus"]["name"] = text
        Path(f"runs/{name}/run.json").write_text(json.dumps({**record, "name": name}))
    for columns in (60, None):
        assert "\x1b[2J" not in plot("mine", "other", columns=columns).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "curve.jpg"), "'curve.jpg' does not say what kind of picture it is"),
        (("--out", "curve"), "Give it one of the endings .png, .svg, .pdf."),
        (("--out", "no/where.png"), "Cannot write to 'no/where.png': no such file or directory."),
        (("--out", "folder.png"), "'folder.png' is a folder."),
        (("--theme", "dark"), "--theme is of a picture. Name its file with --out."),
        (("--theme", "grey", "--out", "a.png"), "There is no theme called 'grey'."),
        (("--y", "accuracy"), "Known: nats, perplexity, bits."),
        (("--x", "epochs"), "Known: steps, items, minutes."),
        (("nothing",), "There is no run called 'nothing'"),
        (("empty",), "The run 'empty' has not been evaluated yet"),
        (("--smooth", "0"), "--smooth"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    Path("folder.png").mkdir()
    make_run(Path("runs"), "empty", [])
    runs = () if arguments[0] in ("empty", "nothing") else ("mine",)
    result = charlm("plot", *runs, *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.out == ""


def test_a_run_without_evaluations_is_left_out() -> None:
    make_run(Path("runs"), "empty", [])
    result = plot("mine", "empty")
    assert result.err.startswith("Left out: The run 'empty' has not been evaluated yet")
    assert "A held out   mine" not in result.out


def test_too_many_runs_are_refused() -> None:
    for number in range(27):
        make_run(Path("runs"), f"run-{number}", ROWS, learning_rate=0.01 + number / 1000)
    names = [f"run-{number}" for number in range(27)]
    result = charlm("plot", *names)
    assert result.code == 2
    assert result.err == "Error: 27 runs are too many for one picture. Name at most 26.\n"
    assert "z training" in plot(*names[1:]).out
    plot(*names[1:], "--out", "many.png")
