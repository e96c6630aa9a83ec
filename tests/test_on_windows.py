"""What Windows does otherwise, as far as that can be tried elsewhere."""

import ast
import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_runner import charlm

from charlm.cli.stopping import graceful_stop
from charlm.cli.streams import Output
from charlm.files import whole
from charlm.runs.commands import shell_quoted
from charlm.tables.sources import LONGEST_FIELD

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "charlm").rglob("*.py"))
SIMULATOR = Path(__file__).parent / "support" / "as_on_windows.py"
SMALL = ("--hidden-size", "16", "--batch-size", "4", "--seq-length", "16", "--max-steps", "4")
TEXT = "the time traveller — for so it will be convenient to speak of him — was expounding.\n" * 40
COMMANDS = [
    ["train", "book.txt", "--run", "r", "--precision", "fp32", "--eval-every", "2", *SMALL],
    ["train", "book.txt", "--run", "s", "--cell", "lstm", "--plot", "live.png", *SMALL],
    ["train", "--resume", "r", "--max-steps", "6"],
    ["generate", "--run", "r", "--length", "20", "--num-samples", "5"],
    ["eval", "--run", "r", "--json"],
    ["eval", "book.txt", "--run", "r", "--per-line"],
    ["inspect", "surprise", "--run", "r", "--html", "surprise.html"],
    ["plot", "r", "--out", "curves.png"],
    ["report", "r", "--out", "report.html"],
    ["runs", "list"],
    ["runs", "compare", "r", "s"],
    ["vocab", "books"],
    ["corpus", "list"],
    ["train", "t.csv", "--task", "classification", "--run", "c", "--max-steps", "4"],
    ["predict", "a lovely film", "--run", "c"],
    ["train", "--task", "regression", "--run", "n", "--max-steps", "4"],
    ["runs", "delete", "s", "--yes"],
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    (tmp_path / "book.txt").write_text(TEXT, "utf-8")
    (tmp_path / "books").mkdir()
    for name in ("a", "B", "c"):
        (tmp_path / "books" / f"{name}.txt").write_text(f"{name} text\n" * 9, "utf-8")
    rows = [f"a {word} film,{label}" for word, label in (("lovely", "good"), ("dull", "bad"))]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows * 30, ""]), "utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what is taken away is Linux's")
def test_every_command_does_without_what_windows_lacks(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", str(SIMULATOR)],
        input=json.dumps(COMMANDS).encode(),
        cwd=here,
        # Windows' consoles know their own code page alone.
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    err = done.stderr.decode("utf-8")
    assert done.returncode == 0, err
    codes = json.loads(err.splitlines()[-1])
    assert codes == [0] * len(COMMANDS), err
    ours = [line for line in err.splitlines() if "EncodingWarning" in line and "charlm" in line]
    assert not ours
    assert b"\r" not in done.stdout
    done.stdout.decode("utf-8")
    # Nothing is left of locks, drafts, or folders that were replaced.
    assert [path.name for path in here.rglob(".*")] == []
    assert not (here / "runs" / "s").exists()
    assert all((here / name).stat().st_size for name in ("live.png", "curves.png", "report.html"))
    # What one system trained another loads.
    assert charlm("eval", "--run", "r", "--runs-dir", str(here / "runs")).code == 0
    for file in here.rglob("*.json*"):
        assert b"\r" not in file.read_bytes()


LOCK = """
import sys
sys.path[:0] = {paths!r}
import as_on_windows
as_on_windows.take_away()
from pathlib import Path
from charlm.runs.locks import RunInUseError, RunLock, is_locked
path = Path("one")
with RunLock.take(path) as lock:
    assert not lock.problem, lock.problem
    print(Path(".one.lock").stat().st_size)
    assert is_locked(path) is True
    try:
        RunLock.take(path, patience=0)
    except RunInUseError as error:
        print(error.message)
assert is_locked(path) is False
print(list(Path().iterdir()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the locks are made of Linux's")
def test_a_lock_of_windows_is_a_small_file_that_says_whose_it_is(tmp_path: Path) -> None:
    script = LOCK.format(paths=[str(ROOT), str(SIMULATOR.parent)])
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    size, message, left = done.stdout.decode().splitlines()
    # Its first byte is locked, and not to be read.
    assert int(size) < 200
    assert message.startswith("The run 'one' is in use by process ")
    assert left == "[]"


class Busy:
    """Renames once nobody has the file open any more, at the n-th try."""

    def __init__(self, tries: int) -> None:
        self.left = tries

    def __call__(self) -> None:
        self.left -= 1
        if self.left:
            raise PermissionError(errno.EACCES, "it is open")


def test_a_file_that_is_open_is_waited_for_where_it_cannot_be_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(PermissionError):
        whole.patiently(Busy(2))
    monkeypatch.setattr(whole, "MOVES_OPEN_FILES", False)
    busy = Busy(3)
    whole.patiently(busy)
    assert busy.left == 0
    monkeypatch.setattr(whole, "PATIENCE", 0.05)
    started = time.monotonic()
    with pytest.raises(PermissionError):
        whole.patiently(Busy(10**9))
    assert time.monotonic() - started >= 0.05
    with pytest.raises(FileNotFoundError):
        whole.patiently(lambda: Path("nowhere").rename("anywhere"))


class ClosedPipe(io.RawIOBase):
    """A pipe that nobody reads any more, on Windows."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_pipe_that_nobody_reads_ends_the_program_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlm.cli.streams.CLOSED_PIPE", (errno.EINVAL,))
    with pytest.raises(SystemExit) as stop:
        Output(ClosedPipe(), "standard output").write(b"x")  # type: ignore[arg-type]
    assert stop.value.code == 0
    err = Output(ClosedPipe())  # type: ignore[arg-type]
    err.write(b"x")
    assert not err.dropped


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="it stands for Ctrl-Break here")
def test_ctrl_break_asks_training_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlm.cli.stopping.ENDING_TRAINING", {"SIGUSR1": 130})
    monkeypatch.setattr("charlm.cli.stopping.BY_HAND", ("SIGUSR1",))
    with graceful_stop() as stop:
        stop.listen()
        assert not stop.asked()
        signal.raise_signal(signal.SIGUSR1)
        assert stop.asked()
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("plain-1.txt", "plain-1.txt"),
        (r"C:\runs\one", r"C:\runs\one"),
        ("two words", '"two words"'),
        ("a&b", '"a&b"'),
        ("(old)", '"(old)"'),
        ("", '""'),
        ('say "so"', r'"say \"so\""'),
    ],
)
def test_words_are_quoted_for_the_shells_of_windows(
    word: str, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charlm.runs.commands.os", SimpleNamespace(name="nt"))
    assert shell_quoted(word) == quoted


def test_tables_have_fields_as_long_as_windows_can_say() -> None:
    before = csv.field_size_limit()
    # A long of C has 32 bits there.
    assert LONGEST_FIELD < 2**31
    assert csv.field_size_limit(LONGEST_FIELD) == before


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_text_file_names_its_encoding(path: Path) -> None:
    """Elsewhere than on Windows it is UTF-8 by default, and nobody would notice."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        names_it = "encoding" in {each.arg for each in node.keywords}
        if node.func.attr in ("read_text", "write_text"):
            least = 0 if node.func.attr == "read_text" else 1
            assert names_it or len(node.args) > least, ast.unparse(node)
        mode = node.args[0] if node.args else None
        if node.func.attr == "open" and isinstance(mode, ast.Constant):
            is_binary = "b" in str(mode.value) or not set(str(mode.value)) <= set("rwax+t")
            assert names_it or is_binary, ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_only_posix_has_is_asked_for_before(path: Path) -> None:
    """`fork` is never used; a module of POSIX alone only where its absence is thought of."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"fork", "forkpty", "killpg", "setsid", "mkfifo", "SIGKILL", "SIGUSR1"}
    top = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert not set(top) & {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "msvcrt"}
