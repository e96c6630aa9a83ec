"""charlm compress and charlm decompress: files, pipes, what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import charlm
from compressing import ODD, OLD
from processes import CHARLM

from charlm.compression import compress as compression

pytest.importorskip("constriction")
TEXT = b"it was so\r\nit \xc3\xa9"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARLM_RUNS_DIR", str(OLD))
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


def test_a_file_comes_back_beside_it(folder: Path) -> None:
    made = charlm("compress", "book.txt", "--run", "gru")
    assert (made.code, made.out) == (0, "")
    assert "lacks 1 of 14 " in made.err
    assert "1 of 14 characters otherwise" in made.err
    assert "Wrote book.txt.charlm: 16 bytes in " in made.err
    (folder / "book.txt").unlink()
    back = charlm("decompress", "book.txt.charlm")
    assert (back.code, back.out, back.err) == (0, "", "Wrote book.txt: 16 bytes.\n")
    assert (folder / "book.txt").read_bytes() == TEXT
    assert (folder / "book.txt.charlm").stat().st_mode & 0o777 == 0o644 or os.name == "nt"


def test_json_counts(folder: Path) -> None:
    made = charlm("compress", "book.txt", "--run", "gru", "--json", "--out", "b").json
    size = (folder / "b").stat().st_size
    assert made.pop("header_bytes") < size
    assert made == {
        "run": "gru",
        "file": "b",
        "bytes": 16,
        "compressed_bytes": size,
        "characters": 14,
        "unknown_characters": 1,
        "respelled_characters": 1,
        "encoding": "utf-8",
    }
    back = charlm("decompress", "b", "--json", "--out", "c").json
    assert back == {"run": "gru", "file": "c", "bytes": 16, "compressed_bytes": size}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["compress", "book.txt", "--out", "book.txt"], 2, "'book.txt' exists already"),
        (["compress", "book.txt", "--out", "."], 2, "is a folder"),
        (["compress", "book.txt", "--out", "no/b"], 1, "Cannot write to 'no"),
        (["compress", "none.txt"], 1, "Cannot read 'none.txt'"),
        (["compress", "book.txt", "--run", "nobody"], 1, "no run called 'nobody'"),
        (["compress", "book.txt", "--encoding", "ascii"], 1, "not ascii: byte 0xC3 at offset 14"),
        (["compress", "book.txt", "--encoding", "xyz"], 2, "--encoding 'xyz' is not known"),
        (["compress", "book.txt", "--out", "-", "--json"], 2, "--json"),
        (["decompress", "book.txt"], 2, "does not end in .charlm"),
        (["decompress", "book.txt", "--out", "b"], 1, "no text that charlm compressed"),
        (["decompress", "none.charlm"], 1, "Cannot read 'none.charlm'"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], code: int, sentence: str, folder: Path
) -> None:
    found = charlm(*words)
    assert (found.code, found.out) == (code, "")
    assert sentence in found.err
    assert found.err.count("\n") == 1
    assert [each.name for each in folder.iterdir()] == ["book.txt"]


def test_what_exists_is_never_replaced(folder: Path) -> None:
    charlm("compress", "book.txt", "--run", "gru")
    before = (folder / "book.txt.charlm").read_bytes()
    assert charlm("compress", "book.txt", "--run", "lstm").code == 2
    assert charlm("decompress", "book.txt.charlm").code == 2
    assert (folder / "book.txt.charlm").read_bytes() == before


def test_another_run_and_a_missing_one_are_named(folder: Path) -> None:
    charlm("compress", "book.txt", "--run", "gru")
    other = charlm("decompress", "book.txt.charlm", "--run", "lstm", "--out", "b")
    assert (other.code, "with the run 'gru', and 'lstm' is another" in other.err) == (1, True)
    missing = charlm("decompress", "book.txt.charlm", "--runs-dir", str(folder), "--out", "b")
    assert (missing.code, "run 'gru', and there is none called so" in missing.err) == (1, True)
    renamed = charlm("decompress", "book.txt.charlm", "--run", str(OLD / "gru"), "--out", "b")
    assert renamed.code == 0


def test_nothing_is_left_of_what_was_interrupted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise SystemExit(130)

    monkeypatch.setattr(compression.TextCoder, "code", stop)
    assert charlm("compress", "book.txt", "--run", "gru").code == 130
    assert [each.name for each in folder.iterdir()] == ["book.txt"]


def test_a_terminal_gets_no_bytes() -> None:
    found = charlm("compress", "-", "--run", "gru", stdin="it", columns=80)
    assert (found.code, found.out) == (2, "")
    assert "not for a terminal" in found.err


def in_a_process(*words: str, given: bytes, threads: str) -> bytes:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [*CHARLM, *words],
        input=given,
        env={**os.environ, **dict.fromkeys(names, threads)},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.slow
def test_pipes_with_one_thread_and_with_two() -> None:
    given = b"".join(ODD.values()) + Path(OLD / "gru" / "corpus.txt").read_bytes()
    made = {n: in_a_process("compress", "--run", "gru", given=given, threads=n) for n in "12"}
    assert made["1"] == made["2"]
    assert made["1"].startswith(b"CHARLM")
    for threads in "12":
        back = in_a_process("decompress", "-", given=made["1"], threads=threads)
        assert back == given


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no head there")
def test_head_may_close_the_pipe(folder: Path) -> None:
    (folder / "long.txt").write_bytes(TEXT * 100)
    charlm("compress", "long.txt", "--run", "gru")
    command = " ".join([*CHARLM, "decompress", "long.txt.charlm", "--out", "-"])
    done = subprocess.run(["sh", "-c", f"{command} | head -c 5"], capture_output=True)
    assert (done.stdout, done.stderr) == (b"it wa", b"")


def test_threads_can_be_named() -> None:
    for made, back in (("1", "2"), ("2", "1")):
        name = f"{made}.charlm"
        options = ("--run", "gru", "--out", name, "--threads", made)
        assert charlm("compress", "book.txt", *options).code == 0
        options = ("--out", f"{back}.txt", "--threads", back)
        assert charlm("decompress", name, *options).code == 0
        assert Path(f"{back}.txt").read_bytes() == TEXT
    assert Path("1.charlm").read_bytes() == Path("2.charlm").read_bytes()
