"""A run finds its text where it is now, or keeps it."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from cli_runner import Result, charlm

import charlm as package
from charlm.errors import RunError, SettingError
from charlm.text.corpus import Corpus

TEXT = "Все счастливые семьи похожи друг на друга, café, سلام.\n" * 25
SMALL = ("--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "fp32")
STEPS = iter(range(3, 100))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    return tmp_path


def train(*given: str, name: str = "r", stdin: str = "") -> None:
    trained = charlm("train", *given, "--run", name, "--max-steps", "2", *SMALL, stdin=stdin)
    assert trained.code == 0, trained.err


def resume(*given: str, stdin: str = "", name: str = "r") -> Result:
    return charlm("train", *given, "--resume", name, "--max-steps", str(next(STEPS)), stdin=stdin)


def resumes(*given: str, stdin: str = "", name: str = "r") -> bool:
    result = resume(*given, stdin=stdin, name=name)
    assert result.code in (0, 1), result.err
    return result.code == 0


def halves() -> None:
    Path("books").mkdir()
    Path("books/a.txt").write_text(TEXT[:500] + "\n", encoding="utf-8")
    Path("books/b.txt").write_text(TEXT[500:], encoding="utf-8")


def test_a_text_that_moved_is_named_once() -> None:
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    train("book.txt")
    Path("elsewhere").mkdir()
    Path("book.txt").rename("elsewhere/moved.txt")
    refused = resume()
    assert "charlm train --resume r FILE" in refused.err
    assert resumes("elsewhere/moved.txt")
    assert resumes()
    assert charlm("eval", "--run", "r").code == 0
    package.resume("r", source=Path("elsewhere/moved.txt"), max_steps=next(STEPS))


@pytest.mark.parametrize("given", [("books",), ("books/*.txt",), ("books/a.txt", "books/b.txt")])
def test_several_files_move_together(given: tuple[str, ...]) -> None:
    halves()
    train(*given)
    Path("books").rename("library")
    assert not resumes()
    assert resumes(*(each.replace("books", "library") for each in given))
    assert resumes()


def test_another_text_is_refused_and_nothing_changes() -> None:
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    Path("other.txt").write_text(TEXT.replace("café", "thé!"), encoding="utf-8")
    Path("longer.txt").write_text(TEXT + "!", encoding="utf-8")
    train("book.txt")
    before = Path("runs/r/run.json").read_bytes()
    for name, part in (("other.txt", "it differs"), ("longer.txt", "it has 1,376 characters")):
        result = resume(name)
        assert result.code == 1
        assert f"'{name}' is not the text that 'r' was trained on" in result.err
        assert part in result.err
    with pytest.raises(RunError, match="is not the text"):
        package.resume("r", source=Corpus.from_text(TEXT + "!"), max_steps=next(STEPS))
    assert Path("runs/r/run.json").read_bytes() == before
    assert resumes()


def test_the_same_characters_in_other_bytes_are_the_same_text() -> None:
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    train("book.txt")
    Path("book.txt").unlink()
    Path("crlf.txt").write_bytes(TEXT.replace("\n", "\r\n").encode("utf-8-sig"))
    assert resumes("crlf.txt")
    Path("wide.txt").write_text(TEXT, encoding="utf-16")
    assert not resumes("wide.txt")
    assert resumes("wide.txt", "--encoding", "utf-16")
    assert resumes()


def test_a_text_that_came_through_a_pipe_is_kept() -> None:
    halves()
    text = Path("books/a.txt").read_text(encoding="utf-8")
    train("-", "books/b.txt", stdin=text)
    assert Path("runs/r/corpus.txt").read_text(encoding="utf-8") == TEXT[:500] + "\n" + TEXT[500:]
    Path("books/b.txt").unlink()
    assert resumes()
    assert charlm("eval", "--run", "r", "--split", "all").code == 0
    with pytest.raises(SettingError, match="of no use"):
        package.resume("r", encoding="utf-16", max_steps=next(STEPS))


def test_a_run_takes_its_text_from_standard_input_and_keeps_it() -> None:
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    train("book.txt")
    Path("book.txt").unlink()
    assert resumes("-", stdin=TEXT)
    assert Path("runs/r/corpus.txt").read_text(encoding="utf-8") == TEXT
    assert resumes()


def test_a_run_without_the_copy_it_needs_does_not_wait_for_standard_input() -> None:
    train("-", stdin=TEXT)
    Path("runs/r/corpus.txt").unlink()
    refused = resume(stdin=TEXT)
    assert refused.code == 1
    assert "came from standard input" in refused.err
    assert resumes("-", stdin=TEXT)
    assert resumes()


def through_fifo(folder: Path) -> str:
    os.mkfifo(folder / "fifo")
    Thread(target=lambda: (folder / "fifo").write_text(TEXT, encoding="utf-8")).start()
    return "fifo"


def through_descriptor(folder: Path) -> str:
    read, write = os.pipe()
    os.write(write, TEXT.encode())
    os.close(write)
    return f"/dev/fd/{read}"


def from_proc(folder: Path) -> str:
    return "/proc/self/status"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize("passing", [through_fifo, through_descriptor, from_proc])
def test_what_is_no_file_cannot_be_read_again(passing: Callable[[Path], str], here: Path) -> None:
    train(passing(here))
    assert Path("runs/r/corpus.txt").stat().st_size > 0
    assert resumes()
