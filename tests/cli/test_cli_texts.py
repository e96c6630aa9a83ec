"""Texts as a user gives them on the command line, and as they are shown."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import Result, charlm

from charlm.cli import console

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
TEXT = "It was the best of times, it was the worst of times.\n" * 40


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on one text, as it is and in letters."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHARLM_RUNS_DIR", raising=False)
        Path("book.txt").write_text(TEXT)
        for name in ("none", "letters", "letters-by-line"):
            result = charlm(
                *("train", "book.txt", "--run", name, "--normalize", name, "--max-steps", "6"),
                *SMALL,
            )
            assert result.code == 0, result.err
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(home)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    yield


def generate(run: str, *arguments: str, stdin: str = "") -> Result:
    return charlm("generate", "--run", run, "--seed", "1", *arguments, stdin=stdin)


# Prefixes


def test_line_ends_and_marks_of_a_prefix_are_no_characters() -> None:
    for prefix in ("It was\nthe", "It was\r\nthe", "\ufeffIt was\rthe"):
        result = generate("none", "--prefix", prefix, "--length", "0")
        assert result.out == "It was\nthe\n"
        assert ("Line ends were" in result.err) == ("\r" in prefix)


def test_a_prefix_may_come_by_standard_input() -> None:
    wanted = generate("none", "--prefix", "It was\nthe", "--length", "20")
    piped = generate("none", "--prefix", "-", "--length", "20", stdin="\ufeffIt was\r\nthe")
    assert piped.out == wanted.out
    assert "Line ends were" in piped.err
    assert generate("none", "--prefix", "-").code == 2


def test_the_blanks_of_a_prefix_are_asked_for() -> None:
    for prefix in ("it was ", " it was", " it was "):
        assert generate("letters-by-line", "--prefix", prefix, "--length", "0").out == prefix + "\n"


@pytest.mark.parametrize("run", ["letters", "letters-by-line"])
def test_a_prefix_of_nothing_that_the_run_knows_is_refused(run: str) -> None:
    for prefix in ("日本", "1895", "..."):
        refused = generate(run, "--prefix", prefix)
        assert (refused.code, refused.out) == (1, "")
        assert f"'{prefix[0]}'" in refused.err
    assert generate(run, "--prefix", "日本", "--unknown", "skip").code == 2
    told = generate(run, "--prefix", "It’s 5, ", "--length", "0")
    assert told.out == "it s \n"
    assert told.err.count("'’', '5', ','") == 1


def test_bytes_that_are_no_text_are_refused_in_a_prefix() -> None:
    for option in ("--prefix", "--stop"):
        refused = generate("none", option, "It\udcff")
        assert (refused.code, refused.out) == (1, "")
        assert "0xFF" in refused.err
        assert "character 3" in refused.err


# Ends


def test_a_stop_string_is_normalized_as_the_text_was() -> None:
    whole = generate("letters", "--length", "200").out.rstrip("\n")
    for stop in ("T", "\ufeffT"):
        result = generate("letters", "--length", "200", "--stop", stop)
        assert (result.out, result.err) == (whole.split("t")[0] + "\n", "")
    told = generate("letters", "--length", "200", "--stop", "T.")
    assert told.out == whole.split("t ")[0] + "\n"
    assert "knows no '.'" in told.err


def test_a_text_ends_at_the_first_of_several_stop_strings() -> None:
    whole = generate("none", "--length", "200").out.rstrip("\n")
    stops = ("te", "o", "we")
    options = [word for stop in stops for word in ("--stop", stop)]
    ends = [whole.index(stop) for stop in stops if stop in whole]
    assert generate("none", "--length", "200", *options).out == whole[: min(ends)] + "\n"


@pytest.mark.parametrize(
    ("run", "stop", "code", "words"),
    [
        ("none", "", 2, "--stop cannot be empty"),
        ("none", "xyz", 1, "lacks 'x', 'y', 'z'"),
        ("none", "The", 1, "lacks 'T'"),
        ("letters", ".", 1, "knows no '.'"),
        ("letters", "日本", 1, "knows no '日', '本'"),
        ("letters", "xyz", 1, "lacks 'x', 'y', 'z'"),
    ],
)
def test_a_stop_string_that_cannot_come_is_refused(
    run: str, stop: str, code: int, words: str
) -> None:
    refused = generate(run, "--stop", "e", "--stop", stop)
    assert (refused.code, refused.out) == (code, "")
    assert words in refused.err


# Several samples


def on_terminal(*arguments: str) -> str:
    """What a command writes to standard output that is a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "charlm", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 4096):
                written += part
        except OSError:  # Linux says so where others say that there is no more.
            pass
        assert process.wait() == 0
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def test_several_samples_stand_under_headings_on_a_terminal_only() -> None:
    arguments = ("--prefix", "It", "--length", "30", "--num-samples", "3")
    piped = generate("letters", *arguments).out
    texts = piped.splitlines()
    assert len(texts) == 3
    assert piped == "".join(text + "\n" for text in texts)
    shown = on_terminal("generate", "--run", "letters", "--seed", "1", *arguments)
    places = []
    for number, text in enumerate(texts, 1):
        places += [shown.index(f"Text {number} of 3"), shown.index(text)]
    assert places == sorted(places)


def test_samples_that_all_met_their_stop_are_not_drawn_on() -> None:
    """A length that nobody would wait for."""
    result = generate("letters", "--length", "1000000000", "--num-samples", "5", "--stop", "e")
    assert result.code == 0
    assert len(result.out.splitlines()) == 5


# Scores


def test_eval_says_what_it_changed_and_knows_the_runs_own_text(tmp_path: Path) -> None:
    own = charlm("eval", "--run", "none", "--json").json
    windows = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    (tmp_path / "windows.txt").write_bytes(windows)
    (tmp_path / "wide.txt").write_bytes(TEXT.encode("utf-16"))
    for arguments in (
        (str(tmp_path / "windows.txt"),),
        (str(tmp_path / "wide.txt"), "--encoding", "utf-16"),
    ):
        copy = charlm("eval", *arguments, "--run", "none", "--json")
        assert (copy.json["split"], copy.json["nats"]) == ("val", own["nats"])
        assert ("Line ends were" in copy.err) == ("windows" in arguments[0])
    piped = charlm("eval", "-", "--run", "none", "--json", stdin=windows.decode()).json
    assert (piped["split"], piped["nats"]) == ("val", own["nats"])
    part = charlm("eval", "-", "--run", "none", stdin=TEXT[:1500])
    assert "stdin begins as the text that 'none' was trained on" in part.err


def test_files_without_a_last_line_end_are_kept_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    result = charlm("corpus", "show", str(tmp_path / "one"), str(tmp_path / "two"), "--json")
    assert result.json["beginning"] == "one\ntwo"
    assert f"A line end is put after '{tmp_path / 'one'}'" in result.err


# What is shown

PERSIAN = "می‌خواهم"
READABLE = f"{PERSIAN} क्‍ष a\xa0b\u3000c \u200f❤\ufe0f \ue000 \U0001f468\u200d\U0001f469 \u2028|"


def test_letters_blanks_and_joiners_of_all_scripts_are_shown(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(READABLE, encoding="utf-8")
    shown = charlm("corpus", "show", str(tmp_path / "text.txt"), columns=100).out
    assert READABLE in shown
    assert "\N{REPLACEMENT CHARACTER}" not in shown
    scored = charlm("eval", str(tmp_path / "text.txt"), "--run", "none", "--per-line").out
    assert PERSIAN in scored


def test_what_steers_a_terminal_is_not_shown(tmp_path: Path) -> None:
    steering = "\x07\x08\x0b\x0c\x1b\x7f\x85\x9b\u202a\u202e\u2066\u2069"
    (tmp_path / "text.txt").write_text(f"a{steering}b\n", encoding="utf-8")
    shown = charlm("corpus", "show", str(tmp_path / "text.txt"), columns=100).out
    spelled = r"\x07\x08\x0b\x0c\x1b\x7f\x85\x9b\u202a\u202e\u2066\u2069"
    assert f"a{spelled}b" in shown.replace("\n", "").replace(" ", "")
    assert not set(steering) & set(shown)
    assert console.visible("a\ud800b\udc9b") == r"a\ud800b\x9b"


def test_a_tab_is_shown_as_one_and_breaks_no_column(tmp_path: Path) -> None:
    assert console.visible("a\tb\n\tc") == "a       b\n        c"
    (tmp_path / "text.txt").write_text("if\tit:\n\twas\n")
    shown = charlm("corpus", "show", str(tmp_path / "text.txt"), columns=100).out
    assert "if      it:" in shown
    assert "\t" not in shown


def test_the_samples_on_the_way_are_readable(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(f"{PERSIAN}\u3000\xa0" * 100, encoding="utf-8")
    result = charlm(
        *("train", str(tmp_path / "text.txt"), "--runs-dir", str(tmp_path), "--max-steps", "30"),
        *SMALL,
    )
    assert result.code == 0
    assert {"\u200c", "\u3000", "\xa0"} <= set(result.err)
    assert "\N{REPLACEMENT CHARACTER}" not in result.err
