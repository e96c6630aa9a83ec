"""A text full of terminal escapes: shown on a terminal, and unchanged in a pipe."""

import json
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from cli_runner import charlm

from charlm.cli import console

PIECES = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "a\u202eb\u2069", "\x08\x7f"]
TEXT = "".join(f"{PIECES[i % 5]} hello\n" for i in range(400))
# Letters that are none of a terminal's business.
STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SMALL = "--hidden-size 16 --batch-size 8 --seq-length 16 --max-steps 30"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the text, a name that steers, and runs of characters and of bytes."""
    here, before = tmp_path_factory.mktemp("escapes"), Path.cwd()
    (here / "escapes.txt").write_text(TEXT, encoding="utf-8", newline="")
    (here / "lines.txt").write_text("hello \x1b[31m\n\x07bell\n", encoding="utf-8")
    (here / "new.txt").write_text("hello\x01\x02" * 40, encoding="utf-8")
    os.chdir(here)
    try:
        for name, units in (("e", "characters"), ("b", "bytes")):
            made = charlm(*f"train escapes.txt --run {name} --units {units} {SMALL}".split())
            assert made.code == 0, made.err
    finally:
        os.chdir(before)
    return here


COMMANDS = r"""
generate --run e --length 300 --seed 1
generate --run e --length 60 --seed 1 --num-samples 3
generate --run b --length 300 --seed 1
generate --run e --length 60 --beams 2
generate --run e --length 60 --best-of 2
generate --run e --length 60 --json
generate --run b --length 60 --json
generate --run e --length 9 --prefix '\x1b[31m\x07'
generate --run e --length 9 --prefix-file escapes.txt
generate --run e --length 9 --prefixes lines.txt
generate --run e --length 9 --prefixes lines.txt --json
vocab escapes.txt
vocab escapes.txt --json
vocab escapes.txt --units words
vocab escapes.txt --units bytes
corpus show escapes.txt
corpus show escapes.txt --json
eval --run e
eval --run e --per-line
eval --run e --per-line --json
eval new.txt --run e --unknown error
inspect surprise --run e
inspect surprise --run e --json
inspect copying --run e
inspect memory --run e
plot e b
runs list
runs show e
runs show e --toml
runs compare e b
decompress escapes.txt.charlm --out -
train escapes.txt --run again --max-steps 20 --eval-every 5 --hidden-size 16
train '\x1b[31m.txt'
train escapes.txt --run 'a\x1b[31m'
eval 'no\x1b]0;hi\x07\u202efile' --run e
generate --run '\x1b[31m'
generate --run e --stop '\x1b'
generate --run e --length '\x1b[31m'
generate --'\x1b[31m'
'\x1b[31m'
runs delete 'a\x1b[31m' --yes
""".strip().splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_steers_a_terminal(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    if "decompress" in command:
        pytest.importorskip("constriction")
        Path("escapes.txt.charlm").unlink(missing_ok=True)
        assert charlm("compress", "escapes.txt", "--run", "e").code == 0
    arguments = [unescaped(each) for each in shlex.split(command.replace("\\", "\\\\"))]
    result = charlm(*arguments, columns=90, term="dumb")
    for shown in (result.out, result.err):
        assert not STEERING.search(shown.replace("\r\n", "\n")), ascii(shown)
    if "--json" in arguments:
        for line in result.out.splitlines() if "--prefixes" in arguments else [result.out]:
            json.loads(line)


def unescaped(text: str) -> str:
    """The argument with \\x1b and its like as the characters that they stand for."""
    return re.sub(r"\\x(..)|\\u(....)", lambda found: chr(int(found[1] or found[2], 16)), text)


def test_into_a_pipe_characters_go_unchanged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    piped = charlm("generate", "--run", "e", "--length", "400", "--seed", "1").out
    (told,) = charlm("generate", "--run", "e", "--length", "400", "--seed", "1", "--json").json[
        "texts"
    ]
    assert piped == told + "\n"
    assert STEERING.search(piped)
    on_terminal = charlm("generate", "--run", "e", "--length", "400", "--seed", "1", columns=90)
    assert on_terminal.out == console.spelled_out(piped)


def test_every_character_that_is_spelled_out_says_which_it_is() -> None:
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0xD800, 0xDC9B):
        shown = console.spelled_out(chr(code))
        if chr(code) in "\t\n":
            assert shown == chr(code)
        else:
            assert int(shown[2:], 16) in (code, code - 0xDC00)
    for code in range(0xA0, 0x3000):
        kept = console.spelled_out(chr(code)) == chr(code)
        bidi = unicodedata.bidirectional(chr(code)) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        )
        assert kept != bidi


@pytest.mark.skipif(os.name == "nt", reason="there is no pty")
def test_a_real_terminal_gets_no_escape_of_the_text(folder: Path) -> None:
    """In a process of its own, with colours: only escapes that are charlm's own arrive."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "charlm", "generate", "--run", "e", "--length", "300"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "90"}
    process = subprocess.Popen(
        [*command, "--seed", "1"], cwd=folder, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    got = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            piece = b""
        if not piece:
            break
        got += piece
    os.close(ours)
    assert process.wait() == 0
    own = rb"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[12]K|\x1b\[[0-9]*A|\r"
    assert not STEERING.search(re.sub(own, b"", got).decode())
    # What it writes of red is spelled out.
    assert rb"\x1b" in got
