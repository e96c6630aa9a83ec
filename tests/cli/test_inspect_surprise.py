"""charlm inspect surprise, as a user types it."""

import json
import re
from pathlib import Path

import pytest
from cli_runner import charlm

from charlm.cli.coloured_text import coloured
from charlm.palettes import SURPRISE, ink

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
ENGLISH = "It was the best of times,\nit was the worst of times.\n"
PERSIAN = "خواب دیدم که بهار آمده است.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "english.txt").write_text(ENGLISH * 120)
    (folder / "persian.txt").write_text(PERSIAN * 80, encoding="utf-8")
    # Others than the runs' own, of which only what was held out is scored.
    (folder / "long.txt").write_text("it was\n" + ENGLISH * 120)
    (folder / "long-persian.txt").write_text("خواب\n" + PERSIAN * 80, encoding="utf-8")
    for name in ("persian", "english"):
        made = charlm(
            *("train", str(folder / f"{name}.txt"), "--run", name, "--max-steps", "5", *SMALL),
            *("--runs-dir", str(folder / "runs")),
        )
        assert made.code == 0, made.err
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for name in ("CHARLM_RUNS_DIR", "NO_COLOR", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def test_its_mean_is_that_of_eval_to_the_last_bit() -> None:
    for text in ((), ("long.txt",), ("long-persian.txt",)):
        scored = charlm("eval", *text, "--json").json
        found = charlm("inspect", "surprise", *text, "--json").json
        assert found["nats"] == scored["nats"]
        assert found["bits_per_character"] == scored["bits_per_character"]
        assert found["characters"] == scored["characters"] == len(found["text"]) - 1


def test_a_pipe_gets_a_row_for_each_character() -> None:
    result = charlm("inspect", "surprise", "It was\n\tIt")
    facts, rows = result.out.split("\n\n")
    assert "bits per character\t" in facts
    parts = [row.split("\t") for row in rows.splitlines()]
    assert [row[1] for row in parts] == ["I", "t", "space", "w", "a", "s", "\\n", "\\t", "I", "t"]
    assert parts[0][2:] == ["-", ""]
    assert all(re.fullmatch(r"\d+\.\d{4}", row[2]) for row in parts[1:])
    assert all(len(row[3].split(" ")) == 5 for row in parts[1:])
    assert "\x1b" not in result.out


def test_a_terminal_gets_colours() -> None:
    text = "It was the\nworst"
    result = charlm("inspect", "surprise", text, columns=80, term="xterm-256color")
    legend, _, shown = result.out.partition("10+")
    legend, shown = (re.sub(r"\x1b\[[0-9;]*m", "", each) for each in (legend + "10+ ", shown))
    assert all(f" {label} " in legend for label in SURPRISE.labels)
    assert "It was the↵\nworst" in shown
    # Of the first character nothing is known; each other one has a ground and an ink.
    coloured = re.findall(r"\x1b\[38;5;\d+;48;5;\d+m(.)", result.out.partition("10+")[2])
    assert "".join(coloured) == text[1:].replace("\n", "↵")


def test_colours_are_the_same_in_24_bits() -> None:
    values = [None, 0.5, 3.2, 12.0]
    shown = coloured("abcd", values, SURPRISE)
    marked = {span.start: span.style for span in shown.spans}
    assert set(marked) == {1, 2, 3}
    for place, step in ((1, 0), (2, 3), (3, 10)):
        assert marked[place].bgcolor.name == SURPRISE.colours[step]
        assert marked[place].color.name == ink(SURPRISE.colours[step])


@pytest.mark.parametrize(("term", "no_color"), [("xterm-256color", "1"), ("dumb", None)])
def test_without_colours_digits_stand_below_each_line(
    term: str, no_color: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    text = "It was the best of times,\nit was"
    result = charlm("inspect", "surprise", text, columns=20, term=term)
    found = charlm("inspect", "surprise", text, "--json").json["text"]
    digits = [" ", *(str(min(int(row["bits"]), 9)) for row in found[1:])]
    assert "38;5" not in result.out and "48;5" not in result.out
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.out).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("It was the best"))
    above, below = lines[start::2], lines[start + 1 :: 2]
    assert "".join(above).replace("↵", "\n") == text
    assert "".join(each.ljust(len(a)) for a, each in zip(above, below, strict=True)) == "".join(
        digits
    )
    assert all(len(line) <= 20 for line in (*above, *below))


def test_of_a_long_text_the_most_surprising_passages_come_first() -> None:
    result = charlm("inspect", "surprise", "long.txt", "--passages", "3")
    pattern = r"^([\d.]+) bits per character, from"
    means = [float(each) for each in re.findall(pattern, result.out, re.M)]
    assert len(means) == 3
    assert means == sorted(means, reverse=True)
    rows = re.findall(r"^(\d+)\t", result.out, re.M)
    assert len(rows) == 600
    whole = charlm("inspect", "surprise", "long.txt", "--whole")
    assert len(re.findall(r"^(\d+)\t", whole.out, re.M)) == len(ENGLISH) * 120 + 7


def test_a_text_is_named_or_written_out(home: Path) -> None:
    piped = charlm("inspect", "surprise", "-", "--json", stdin="It was").json
    written = charlm("inspect", "surprise", "It was", "--json").json
    assert piped["text"] == written["text"]
    named = charlm("inspect", "surprise", "long.txt", "--json").json
    assert named["characters"] == len(ENGLISH) * 120 + 6
    own = charlm("inspect", "surprise", "--split", "train", "--json").json
    assert own["split"] == "train"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.txt",), "missing.txt"),
        (("x",), "1 character to score"),
        (("some words", "--split", "val"), "--split"),
        (("--run", "nobody"), "nobody"),
        (("Ω and more", "--unknown", "error"), "Ω"),
        (("some words", "--html", "no/such/folder/page.html"), "no/such/folder/page.html"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    result = charlm("inspect", "surprise", *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("Error") == 1


def test_a_page_tells_what_was_likelier(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ("--run", "persian", "--html", str(page), "--passages", "2")
    result = charlm("inspect", "surprise", "long-persian.txt", *options)
    assert result.code == 0
    assert str(page) in result.err
    content = page.read_text(encoding="utf-8")
    data = [
        json.loads(each)
        for each in re.findall(r'<script type="application/json">(.*?)</script>', content)
    ]
    assert [len(each["text"]) for each in data] == [200, 200, 1500]
    assert all(len(row) == 5 for each in data for row in each["likeliest"][1:])
    assert "خواب" in data[2]["text"]
