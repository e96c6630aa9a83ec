"""charlm generate: prefixes from files, states, ways of steering, and its conversation."""

import json
import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import Result, charlm

SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
TEXT = "It was the best of times. 'Was it?' It was the worst of times.\n" * 40
PERSIAN = "آیا او آمد؟ بله، او آمد. «کی؟» دیروز.\n" * 40


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHARLM_RUNS_DIR", raising=False)
        Path("book.txt").write_text(TEXT)
        Path("persian.txt").write_text(PERSIAN, encoding="utf-8")
        for name, normalize in (("letters", "letters"), ("book", "none"), ("persian", "none")):
            file = "persian.txt" if name == "persian" else "book.txt"
            done = charlm(
                "train", file, "--run", name, "--normalize", normalize, "--max-steps", "30", *SMALL
            )
            assert done.code == 0, done.err
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(home)
    for name in ("CHARLM_RUNS_DIR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(home / "cache"))
    yield


def generate(*arguments: str, run: str = "book", stdin: str = "") -> Result:
    result = charlm("generate", "--run", run, *arguments, stdin=stdin)
    assert result.code == 0, result.err
    return result


def refused(*arguments: str, run: str = "book", stdin: str = "") -> str:
    result = charlm("generate", "--run", run, *arguments, stdin=stdin)
    assert result.code in (1, 2)
    assert result.out == ""
    assert result.err.startswith("Error: ")
    return result.err


# Prefixes


def test_a_prefix_from_a_file() -> None:
    Path("prefix.txt").write_bytes("\ufeffIt was\r\nthe".encode())
    how = ("--length", "20", "--seed", "1")
    wanted = generate("--prefix", "It was\nthe", *how).out
    assert generate("--prefix-file", "prefix.txt", *how).out == wanted
    assert generate("--prefix-file", "-", *how, stdin="It was\nthe").out == wanted
    found = generate("--prefix-file", "prefix.txt", *how, "--json").json
    assert found["prefix"] == "It was\nthe"
    assert found["texts"] == [wanted[:-1]]


def test_prefixes_one_a_line() -> None:
    lines = ["It was", " the worst of times. 'Was", "b", "It was"]
    Path("prefixes.txt").write_text("\n".join(lines) + "\n")
    how = ("--length", "25", "--seed", "1", "--num-samples", "2")
    alone = [generate("--prefix", each, *how).out for each in lines]
    assert generate("--prefixes", "prefixes.txt", *how).out == "\n".join(alone)
    found = generate("--prefixes", "prefixes.txt", *how, "--json").out.splitlines()
    assert [json.loads(line)["prefix"] for line in found] == lines
    assert ["".join(f"{text}\n" for text in json.loads(line)["texts"]) for line in found] == alone
    assert {json.loads(line)["seed"] for line in found} == {1}
    piped = generate("--prefixes", "-", *how, stdin="\n".join(lines)).out
    assert piped == "\n".join(alone)


@pytest.mark.parametrize(
    "how",
    [("--beams", "4"), ("--best-of", "5"), ("--ban", "e"), ("--until-sentence-end",)],
    ids=" ".join,
)
def test_prefixes_are_continued_in_every_way(how: tuple[str, ...]) -> None:
    seed = () if "--beams" in how else ("--seed", "1")
    lines, length = ["It was", "'Was", "times"], ("--length", "15")
    alone = [generate("--prefix", each, *how, *length, *seed).out for each in lines]
    together = generate("--prefixes", "-", *how, *length, *seed, stdin="\n".join(lines)).out
    assert together == "\n".join(alone)


def test_prefixes_that_cannot_be_are_named() -> None:
    assert "Prefix 2 is empty" in refused("--prefixes", "-", stdin="It\n\nwas")
    assert "Prefix 2: The vocabulary lacks 'Ж'" in refused("--prefixes", "-", stdin="It\nЖ")
    assert "holds no prefix" in refused("--prefixes", "-", stdin="")
    assert "no such file" in refused("--prefixes", "nowhere.txt").lower()
    assert "no such file" in refused("--prefix-file", "nowhere.txt").lower()
    assert "no such file" in refused("--prefix-file", "~/nowhere.txt").lower()
    Path("binary").write_bytes(b"\xff\xfe\x00")
    assert "'binary'" in refused("--prefix-file", "binary")
    err = generate("--prefixes", "-", "--length", "1", run="letters", stdin="1 a\n" * 9).err
    assert err.count("is read as") == 3
    assert "6 more remarks" in err


@pytest.mark.parametrize(
    "options",
    [
        ("--prefix", "a", "--prefix-file", "b"),
        ("--prefix", "a", "--prefixes", "b"),
        ("--prefix-file", "a", "--prefixes", "b"),
        ("--prefixes", "a", "--interactive"),
        ("--prefixes", "a", "--save-state", "b"),
        ("--interactive", "--json"),
    ],
    ids=" ".join,
)
def test_what_does_not_go_together(options: tuple[str, ...]) -> None:
    assert "do not go together" in refused(*options)


def test_other_refusals() -> None:
    assert "--num-samples does not go with" in refused("--interactive", "--num-samples", "2")
    assert "--temperature does not go with --beams" in refused("--beams", "3", "--temperature", "2")
    assert "--save-state keeps what" in refused("--save-state", "a")
    assert "--interactive reads standard" in refused("--interactive", "--prefix", "-", stdin="It")
    assert "--until-sentence-end needs" in refused("--until-sentence-end", run="letters")
    assert "The run never writes the banned string 'Ж'" in refused("--ban", "Ж")
    every = [part for each in sorted(set(TEXT)) for part in ("--ban", each)]
    assert "--ban leaves nothing" in refused(*every)


# Steering


def test_ways_of_steering() -> None:
    text = generate("--ban", "th", "--ban", "e", "--length", "300", "--prefix", "the t").out[5:]
    assert len(text) == 301
    assert not re.search("th|e", text)
    assert not text.startswith("h")  # which would complete a "th" that the prefix begins
    lower = generate("--ban", "TH", "--length", "300", run="letters").out
    assert "th" not in lower
    ended = generate("--until-sentence-end", "--length", "30", "--prefix", "It").out[2:-1]
    assert len(ended) >= 30
    assert re.search(r"[.?]'?$", ended)
    best = generate("--beams", "4", "--length", "20", "--num-samples", "2").out.splitlines()
    assert generate("--beams", "4", "--length", "20", "--json").json["seed"] is None
    assert best
    ten = generate("--best-of", "10", "--num-samples", "3", "--seed", "2", "--json").json["texts"]
    drawn = generate("--num-samples", "10", "--seed", "2", "--json").json["texts"]
    assert set(ten) <= set(drawn)


def test_a_persian_text_ends_with_its_sentence() -> None:
    how = ("--until-sentence-end", "--length", "20", "--seed", "1")
    text = generate(*how, run="persian").out[:-1]
    assert re.search("[.؟][»«.؟]*$", text)
    assert "؟" not in generate("--ban", "؟", "--length", "200", run="persian").out


# States


def test_a_state_is_saved_and_used() -> None:
    how = ("--length", "20", "--seed", "1")
    saved = generate("--prefix", "It was the", "--save-state", "kept", *how)
    assert "--from-state kept" in saved.err
    assert saved.out == generate("--prefix", "It was the", *how).out
    assert "It was the" + generate("--from-state", "kept", *how).out == saved.out
    found = generate("--from-state", "kept", "--prefix", " best", *how, "--json").json
    assert found["from_state"] == "kept"
    assert found["texts"][0].startswith(" best")
    assert "keeps no state called 'kepp'" in refused("--from-state", "kepp")
    assert "of other weights" in other_runs_state()


def other_runs_state() -> str:
    charlm("generate", "--run", "letters", "--prefix", "it", "--save-state", "s", "--length", "0")
    Path("runs/letters/states/s.safetensors").rename("runs/book/states/s.safetensors")
    try:
        return refused("--from-state", "s")
    finally:
        Path("runs/book/states/s.safetensors").unlink()


# The conversation


def converse(*lines: str, arguments: tuple[str, ...] = ()) -> Result:
    return generate("--interactive", *arguments, stdin="\n".join(lines))


def test_each_entry_is_continued_and_the_state_carried_on() -> None:
    how = ("--length", "20", "--temperature", "0")
    first, second, third = (
        each + "\n"
        for each in re.split("\n(?=it|IT)", converse("It was", arguments=how).out[:-1])[:1] * 3
    )
    assert first == second == third == generate("--prefix", "It was", *how).out
    whole = converse("It was", " it", "", ":reset", "It was", arguments=how).out
    start = generate("--prefix", "It was", *how).out
    more = generate("--prefix", start[:-1] + " it", *how).out
    rest = generate("--prefix", more[:-1], *how).out
    added = more.removeprefix(start[:-1])
    assert whole == start + added + rest.removeprefix(more[:-1]) + start


def test_settings_are_changed_and_shown() -> None:
    result = converse(
        ":length 12", ":temperature 0.5", ":seed 3", "It", ":temperature default",
        ':stop "\\n" " "', ":until_sentence_end on", ":ban é", ":top-k", ":settings", "::",
    )  # fmt: skip
    text = generate("--prefix", "It", "--length", "12", "--temperature", "0.5", "--seed", "3").out
    assert result.out.startswith(text)
    assert 'stop "\\n" " "' in result.err
    assert "top-k 0\n" in result.err
    assert result.err.count("until-sentence-end on\n") == 2
    assert "The run never writes the banned string 'é'" in result.err
    assert "ban default" in result.err
    # The last entry is a colon, which this run does not know.
    assert "The vocabulary lacks ':'" in result.err


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (":temprature 1", "Did you mean 'temperature'?"),
        (":temperature hot", ":temperature cannot be 'hot'."),
        (":temperature -1", ":temperature must be at least 0"),
        (":top-p 2", ":top-p must be"),
        (":length 1.5", ":length cannot be '1.5'"),
        (":until-sentence-end maybe", ":until-sentence-end is on or off."),
        (":beams 4", ":temperature does not go with :beams"),
        (":num-samples 4", "no command called 'num-samples'"),
        (":reset all", ":reset takes nothing."),
        (":save-state", ":save-state needs a name."),
        (":from-state nothing", "keeps no state called 'nothing'"),
        (":", "no command called ''"),
        ("Ж", "The vocabulary lacks 'Ж'"),
    ],
)
def test_what_is_wrong_is_said_and_the_conversation_goes_on(entry: str, words: str) -> None:
    how = ("--length", "10", "--temperature", "0.7", "--seed", "1")
    result = converse(entry, "It", arguments=how)
    assert words in result.err
    assert "--" not in result.err
    assert result.out == generate("--prefix", "It", *how).out


def test_states_help_and_leaving() -> None:
    how = ("--length", "10", "--temperature", "0")
    result = converse(
        "It was", ":save-state here", ":reset", ":from-state here", " the", ":help", ":quit", "It",
        arguments=how,
    )  # fmt: skip
    whole = converse("It was", " the", arguments=how)
    assert result.out == whole.out
    assert ":from-state here" in result.err
    assert ":NAME VALUE" in result.err
    # What the command line gives is read first, and is what :reset goes back to.
    begun = converse(" it", ":reset", " it", arguments=("--from-state", "here", *how))
    shown = generate("--from-state", "here", "--prefix", " it", *how).out
    assert begun.out == shown * 2


def test_a_closed_standard_input_is_the_end() -> None:
    assert charlm("generate", "--run", "book", "--interactive", stdin=None).code == 0
    assert converse().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals here")
def test_on_a_terminal(home: Path) -> None:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.environ.update(TERM="xterm", COLUMNS="70")
        options = ["generate", "--run", "book", "--interactive", "--seed", "1"]
        os.execv(sys.executable, [sys.executable, "-m", "charlm", *options])

    waiting = b""  # shown, but not looked at yet

    def shown_until(words: str, seconds: float = 60) -> str:
        nonlocal waiting
        end = time.monotonic() + seconds
        while words.encode() not in waiting:
            assert time.monotonic() < end, waiting.decode(errors="replace")
            if select.select([terminal], [], [], 0.2)[0]:
                waiting += os.read(terminal, 65536)
        found, _, waiting = waiting.partition(words.encode())
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", found.decode(errors="replace")) + words

    def enter(text: bytes) -> None:
        os.write(terminal, text)

    try:
        shown_until("For more: :help")
        shown_until(">")
        enter(b":length 100000000\r")
        shown_until("length 100000000")
        enter(b"It was\r")
        shown_until("It was")
        shown_until("of", 60)
        enter(b"\x03")  # ends the text
        shown_until(">")
        enter(b"half of a line\x03")  # drops it
        shown_until(">")
        enter(b":length 3\r")
        shown_until("length 3")
        enter(b"\x1b[200~It was\nthe\x1b[201~\r")
        assert "It was" in shown_until("the")
        enter(b":quite\r")
        shown_until("Did you mean 'quit'?")
        shown_until(">")  # before that the terminal itself would take Ctrl-D
        enter(b"\x04")
        while True:
            try:
                if not os.read(terminal, 65536):
                    break
            except OSError:
                break
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        pid = 0
        assert "half of a line" not in (home / "cache" / "history").read_text("utf-8")
        assert ":length 3" in (home / "cache" / "history").read_text("utf-8")
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)
