"""The program among closed streams, full disks, ignored signals and odd terminals, as a process."""

import errno
import io
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runner import charlm

if os.name == "nt":
    pytest.skip("these speak to a shell and a terminal of POSIX", allow_module_level=True)
import pty

from charlm.cli.bars import plain_line
from charlm.cli.console import on_one_line
from charlm.cli.streams import Output, OutputError
from charlm.tasks.registry import open_run

CHARLM = shlex.join((sys.executable, "-m", "charlm"))
SMALL = "--hidden-size 8 --batch-size 4 --seq-length 16 --precision fp32"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")

CREATED = "created (UTC)"
# One of each kind: help and version, tables, facts, JSON, streamed text, a path, several texts.
PRINTING = [
    "--help",
    "--version",
    "train --help",
    "generate --run r --length 5",
    "generate --run r --length 5 --num-samples 2",
    "generate --run r --length 5 --json",
    "eval --run r",
    "eval --run r --per-line",
    "eval --run r --json",
    "vocab book.txt",
    "vocab book.txt --json",
    "corpus list",
    "corpus list --json",
    "corpus show book.txt",
    "runs list",
    "runs list --json",
    "runs show r",
    "runs compare r s",
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and two runs, r and s."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "book.txt").write_text("it was the best of times,\tit was the worst\n" * 60)
    (folder / "big.txt").write_text("a" * 12_345 + "b" * 6_789)
    for name in "rs":
        made = shell(f"charlm train book.txt --run {name} --max-steps 2 {SMALL}", folder)
        assert made.returncode == 0, made.stderr
    return folder


def shell(
    command: str, cwd: Path, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Have the shell run a line in which the word charlm stands for this program."""
    line = re.sub(r"\bcharlm (?=\S)", lambda _: f"{CHARLM} ", command)
    return subprocess.run(
        ["sh", "-c", line],
        cwd=cwd,
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def plain_environment() -> dict[str, str]:
    odd = ("COLUMNS", "LINES", "CHARLM_RUNS_DIR", "NO_COLOR", "FORCE_COLOR", "TERM")
    return {name: value for name, value in os.environ.items() if name not in odd}


def one_sentence(err: str) -> str:
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, err
    return errors[0]


# Output that cannot be written


class Full(io.BytesIO):
    """A file on a disk that has no room left."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def in_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    for name in ("COLUMNS", "CHARLM_RUNS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("command", PRINTING)
def test_output_that_cannot_be_written_is_an_error_in_one_sentence(command: str) -> None:
    for out, why in ((Full(), "no space left on device"), (None, "it is closed")):
        result = charlm(*command.split(), out=out)
        assert result.code == 1
        assert one_sentence(result.err) == f"Error: Cannot write to standard output: {why}."


@needs_full
def test_the_process_that_cannot_write_says_so_once(here: Path) -> None:
    for out, why in (("> /dev/full", "no space left on device"), (">&-", "it is closed")):
        for command in ("generate --run r --length 5", "--help"):
            result = shell(f"charlm {command} {out}", here)
            assert result.returncode == 1
            expected = f"Error: Cannot write to standard output: {why}."
            assert one_sentence(result.stderr) == expected
            assert result.stderr.strip() == expected


@needs_full
def test_a_message_that_is_lost_ends_no_work_but_counts(here: Path) -> None:
    result = shell(f"charlm train book.txt --run unheard --max-steps 2 {SMALL} 2> /dev/full", here)
    assert result.returncode == 1
    assert "unheard" in result.stdout
    assert shell("charlm runs show unheard --json", here).returncode == 0
    assert shell("charlm runs delete unheard --yes 2> /dev/full", here).returncode == 1
    assert not (here / "runs/unheard").exists()
    assert shell("charlm runs show nosuch 2> /dev/full", here).returncode == 1


@pytest.mark.parametrize("command", ["eval --run r --per-line", "corpus list", "train --help"])
def test_whoever_closes_the_pipe_has_seen_enough(here: Path, command: str) -> None:
    result = shell(f"(charlm {command}; echo $? >&2) | head -n 1", here)
    assert result.stderr.splitlines()[-1] == "0"
    assert "Error" not in result.stderr
    assert result.stdout.count("\n") == 1


def test_a_pipe_that_does_not_wait_loses_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    child = os.fork()
    if not child:
        with os.fdopen(writing, "wb") as stream:
            Output(stream, "standard output").write(b"0123456789" * 100_000)
        os._exit(0)
    os.close(writing)
    got = 0
    while piece := os.read(reading, 1000):
        got += len(piece)
    os.close(reading)
    os.waitpid(child, 0)
    assert got == 1_000_000


def test_an_output_error_names_the_stream_each_time() -> None:
    output = Output(None, "standard output")
    for _ in range(2):
        with pytest.raises(OutputError, match=r"^Cannot write to standard output: it is closed\.$"):
            output.write(b"x")
    assert Output(None).write(b"xyz") == 3


# Tables in a pipe

COMPARED = ["run", "differs in", "bits per character", "95% interval", "parameters"]
COMPARED += ["characters/s", "minutes"]


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("eval --run r --per-line", ["line", "characters", "perplexity", "bits/char", "text"]),
        ("vocab book.txt", ["rank", "character", "count", "share"]),
        ("corpus list", ["name", "here", "bytes", "title"]),
        (
            "runs list",
            ["name", "cell", "perplexity", "bits/char", "scored", "status", "parameters", CREATED],
        ),
        ("runs compare r s", COMPARED),
    ],
)
@pytest.mark.parametrize("forced", [{}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1", "CI": "1"}])
@pytest.mark.usefixtures("in_folder")
def test_a_table_in_a_pipe_is_a_record_a_line(
    command: str, columns: list[str], forced: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", **forced}.items():
        monkeypatch.setenv(name, value)
    out = charlm(*command.split()).out
    records = [line.split("\t") for line in out.partition("\n\n")[0].splitlines()]
    assert records[0] == columns
    assert len(records) > 2
    assert {len(record) for record in records} == {len(columns)}
    assert not any(value != value.strip() for record in records for value in record)
    assert "\x1b" not in out


@pytest.mark.usefixtures("in_folder")
def test_numbers_in_a_pipe_can_be_added_up() -> None:
    def records(command: str) -> list[list[str]]:
        return [line.split("\t") for line in charlm(*command.split()).out.splitlines()]

    counts = [int(record[2]) for record in records("vocab big.txt")[1:]]
    assert counts == [0, 12_345, 6_789]
    assert float(dict(records("eval --run r"))["perplexity"]) > 1
    assert sum(int(record[2]) for record in records("corpus list")[1:]) == 290_395_606


@pytest.mark.usefixtures("in_folder")
def test_a_value_breaks_no_record() -> None:
    assert on_one_line("a\tb\nc\rd\x1b[1mé\u2028") == r"a\tb\nc\rd\x1b[1mé" + r"\u2028"
    joined = "\N{ZERO WIDTH JOINER}\N{IDEOGRAPHIC SPACE}\N{NO-BREAK SPACE}"
    assert on_one_line(joined) == joined
    table = charlm(*["eval", "--run", "r", "--split", "all", "--per-line"]).out.partition("\n\n")[0]
    texts = [line.split("\t")[4] for line in table.splitlines()[1:]]
    assert texts == [r"it was the best of times,\tit was the worst"] * 60


# Closed standard streams


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("command", [*PRINTING, "runs show nosuch", "runs delete r"])
def test_closed_standard_input_and_error_change_nothing(command: str) -> None:
    closed = charlm(*command.split(), stdin=None, err=None)
    assert closed.code == charlm(*command.split()).code
    assert charlm(*command.split(), out=None, stdin=None, err=None).code > 0


def test_a_file_that_is_opened_takes_no_closed_streams_place(here: Path) -> None:
    for name, closed in {"out": "<&- >&-", "all": "<&- >&- 2>&-"}.items():
        shell(f"charlm train book.txt --run {name} --max-steps 2 {SMALL} {closed}", here)
        run = open_run(here / "runs" / name)
        assert run.record.status == "done"
        metrics = (run.path / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in metrics] == run.metrics()


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("command", ["train -", "eval - --run r", "vocab -", "corpus show -"])
def test_a_text_from_a_closed_standard_input(command: str) -> None:
    result = charlm(*command.split(), stdin=None)
    assert result.code == 1
    assert "Cannot read standard input: it is closed." in one_sentence(result.err)


# Signals


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_at_the_start_stays_so(here: Path, number: signal.Signals) -> None:
    name = f"deaf-{number.name.lower()}"
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' {number.name[3:]}; exec {CHARLM} train book.txt --run {name} "
         f"--max-steps 400 --eval-every 20 {SMALL}"],
        cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(here / "runs" / name / "last")
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Stopping" not in err


def test_other_commands_ignore_an_ignored_interrupt_too(here: Path) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' INT; exec {CHARLM} generate --run r --length 100000000"],
        cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    assert len(process.stdout.read(200_000)) == 200_000
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_nohup_survives_the_end_of_the_terminal(here: Path) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f"exec nohup {CHARLM} train book.txt --run hung-up --max-steps 400 "
         f"--eval-every 20 {SMALL} > log 2>&1"],
        cwd=here,
    )  # fmt: skip
    wait_for(here / "runs/hung-up/last")
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 0
    assert "400 steps" in (here / "log").read_text()


def wait_for(path: Path, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} never came"
        time.sleep(0.02)


# Terminals


def on_terminal(command: str, cwd: Path, stdin: str = "", **environment: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; its exit code and all that it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["sh", "-c", command.replace("charlm", CHARLM, 1)],
        cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**plain_environment(), **environment}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, stdin.encode())
    shown, limit = b"", time.monotonic() + 60
    while select.select([ours], [], [], max(0, limit - time.monotonic()))[0]:
        assert time.monotonic() < limit, shown
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux's way to say that nobody has the other end any more.
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


# A terminal that reports no width is what pty.openpty gives.
@pytest.mark.parametrize(
    "size",
    [
        {},
        {"COLUMNS": "0", "LINES": "0"},
        {"COLUMNS": "-5"},
        {"COLUMNS": "abc"},
        {"COLUMNS": "²"},
        {"COLUMNS": "9" * 30},
    ],
    ids=str,
)
def test_a_width_that_is_none_hides_nothing(here: Path, size: dict[str, str]) -> None:
    code, shown = on_terminal("charlm runs list", here, TERM="xterm", **size)
    assert code == 0
    assert "perplexity" in shown
    assert "lstm 8" in shown
    assert max(map(len, shown.splitlines())) < 200
    code, shown = on_terminal("charlm runs show nosuch", here, TERM="xterm", **size)
    assert code == 1
    assert "There is no run called 'nosuch'" in shown
    piped = shell("charlm runs show nosuch", here, **size)
    assert "There is no run called 'nosuch'" in one_sentence(piped.stderr)
    assert "Usage" in shell("charlm --help", here, **size).stdout


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("columns", [1, 2, 3, 7, 20])
def test_a_terminal_hardly_wide_enough(columns: int) -> None:
    for command in ("runs list", "--help", "train --help", "eval --run r --per-line"):
        result = charlm(*command.split(), columns=columns)
        assert result.code == 0
        assert len(result.out) > 100 or columns < 10


@pytest.mark.parametrize("columns", [1, 20])
def test_a_bar_on_a_terminal_hardly_wide_enough(here: Path, columns: int) -> None:
    command = f"charlm train book.txt --run thin{columns} --max-steps 3 --eval-every 1 {SMALL}"
    code, shown = on_terminal(command, here, TERM="xterm", COLUMNS=str(columns))
    assert code == 0, shown
    assert "Traceback" not in shown


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_plain_lines(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A line every five seconds is one at every step here.
    monkeypatch.setattr("charlm.cli.bars.PLAIN_SECONDS", 0.0)
    monkeypatch.setattr("charlm.training.trainer.REPORT_SECONDS", 0.0)
    training = (
        "train",
        "book.txt",
        "--run",
        term,
        "--max-steps",
        "9",
        "--eval-every",
        "9",
        *SMALL.split(),
    )
    told = charlm(*training, columns=100, term=term).err
    assert re.search(r"^step \d+ \d+%  loss \d", told, re.MULTILINE), told
    assert "\x1b" not in told
    told = charlm("eval", "--run", "r", columns=100, term=term).err
    assert re.search(r"^Scoring: 0 of \d+ characters \(0%\)$", told, re.MULTILINE), told
    assert plain_line("Downloading", "bytes", 1000, 0) == "Downloading: 1,000 bytes"


def test_a_smart_terminal_gets_a_bar_without_colours_where_none_are_wanted(here: Path) -> None:
    command = f"charlm train book.txt --run smart --max-steps 300 {SMALL}"
    code, shown = on_terminal(command, here, TERM="xterm", NO_COLOR="1", COLUMNS="100")
    assert code == 0
    assert re.search(r" \d+% .*starting", shown), "a bar"
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown), "a colour"


def test_a_text_typed_at_the_terminal_is_announced(here: Path) -> None:
    code, shown = on_terminal("charlm vocab -", here, stdin="hello\n\x04", TERM="xterm")
    assert code == 0
    assert "Reading the text from this terminal" in shown
    assert "6 characters, 6 entries" in shown


def test_messages_are_utf_8_whatever_the_locale(here: Path) -> None:
    result = shell("charlm runs show 'سلام'", here, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert "There is no run called 'سلام'" in one_sentence(result.stderr)
