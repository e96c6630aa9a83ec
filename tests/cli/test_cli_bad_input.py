"""Bad input gets one sentence, the right exit code, no traceback, and nothing is written."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from cli_runner import Result, charlm

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40


def assert_refused(result: Result, code: int, *parts: str) -> None:
    assert result.code == code, result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    for part in parts:
        assert part in result.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    monkeypatch.setenv("CHARLM_OFFLINE", "1")
    monkeypatch.setenv("CHARLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "book.txt").write_text(TEXT)
    return tmp_path


@pytest.fixture
def with_run(here: Path) -> Path:
    result = charlm("train", "book.txt", "--run", "good", *SMALL)
    assert result.code == 0, result.err
    return here


SMALL = ("--max-steps", "2", "--hidden-size", "5", "--batch-size", "3", "--seq-length", "7")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ("empty",)),
        (b"x", ("1 character", "at least 11")),
        (b"abc\xff def", ("offset 3", "0xFF", "--encoding")),
        (b"abc\0def", ("NUL", "offset 3")),
        (bytes(range(256)) * 20, ("NUL", "offset 0")),
        (b"\x89PNG\r\n\x1a\n", ("offset 0", "0x89", "--encoding")),
        (b"\xef\xbb\xbf", ("empty",)),
    ],
    ids=["empty", "one character", "invalid utf-8", "NUL", "binary", "png", "only a BOM"],
)
def test_texts_that_are_none(here: Path, content: bytes, parts: tuple[str, ...]) -> None:
    (here / "bad.txt").write_bytes(content)
    assert_refused(charlm("train", "bad.txt", *SMALL), 1, *parts)
    assert not (here / "runs").exists()


def test_a_byte_order_mark_and_windows_line_ends_are_read_away(here: Path) -> None:
    (here / "windows.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    result = charlm("vocab", "windows.txt", "--json")
    assert result.code == 0
    assert result.json["characters"] == len(TEXT)
    assert {entry["character"] for entry in result.json["entries"]} == {"<unk>", *TEXT}
    assert "\\r\\n" in result.err


def test_no_such_file(here: Path) -> None:
    assert_refused(charlm("train", "bok.txt"), 1, "'bok.txt'", "Known")
    assert not (here / "runs").exists()


def test_a_catalog_name_misspelt(here: Path) -> None:
    assert_refused(charlm("train", "tiny-shakespear"), 1, "Did you mean 'tiny-shakespeare'")
    assert_refused(charlm("corpus", "download", "tme-machine"), 2, "Did you mean 'time-machine'")


def test_no_network(here: Path) -> None:
    assert_refused(charlm("train", "time-machine"), 1, "CHARLM_OFFLINE", "'time-traveller'")


def test_a_folder_without_text(here: Path) -> None:
    (here / "empty").mkdir()
    (here / "empty" / "picture.png").write_bytes(b"\x89PNG")
    assert_refused(charlm("train", "empty"), 1, "'empty'", "no text files")


def test_a_file_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_refused(charlm("train", "book.txt"), 1, "Cannot read 'book.txt'", "permission denied")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--batch-size", "0"), "--batch-size must be at least 1, not 0"),
        (("--hidden-size", "0"), "--hidden-size must be at least 1, not 0"),
        (("--learning-rate", "nan"), "--learning-rate must be above 0 and at most 1e+30, not nan"),
        (("--dropout", "1"), "--dropout must be at least 0 and below 1, not 1.0"),
        (("--cell", "gro"), "Did you mean 'gru'?"),
        (("--preset", "quik"), "Did you mean 'quick'?"),
        (("--backend", "bultin"), "Did you mean 'builtin'?"),
        (("--optimizer", "adamx"), "adamw"),
        (("--normalize", "leters"), "Did you mean 'letters'?"),
        (("--device", "cpux"), "Did you mean 'cpu'?"),
        (("--encoding", "utf-9"), "'utf-9'"),
        (("--run", "a/b"), "'a/b' cannot be a run's name"),
        (("--run", ".."), "'..' cannot be a run's name"),
        (("--run", ""), "'' cannot be a run's name"),
        (("--hidden-size", "many"), "'--hidden-size'"),
        (("--hiden-size", "3"), "hiden-size"),
        (("--tie-weights", "--embedding-size", "0"), "--tie-weights"),
        (("--val-fraction", "0.6", "--test-fraction", "0.5"), "--val-fraction"),
        (("--min-count", "100000"), "--min-count"),
        (("--run", "y", "--resume", "x"), "--run and --resume"),
    ],
)
def test_options_that_make_no_sense(here: Path, arguments: tuple[str, ...], part: str) -> None:
    result = charlm("train", "book.txt", *arguments)
    assert_refused(result, 2, part)
    assert not (here / "runs").exists()


def test_cuda_where_there_is_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert_refused(charlm("train", "book.txt", "--device", "cuda"), 2, "no cuda device")


def test_a_runs_folder_that_cannot_be_written(here: Path) -> None:
    (here / "file").write_text("")
    result = charlm("train", "book.txt", "--runs-dir", "file/runs", *SMALL)
    assert_refused(result, 1, "Cannot write", "--runs-dir")


def test_no_run_yet(here: Path) -> None:
    for command in (("predict", "a"), ("report",), ("runs", "show")):
        assert_refused(charlm(*command), 1, "no run", "charlm train")


def test_no_such_run(with_run: Path) -> None:
    for command in (
        ("generate", "--run", "goood"),
        ("eval", "--run", "goood"),
        ("runs", "show", "goood"),
        ("runs", "delete", "goood", "--yes"),
        ("runs", "compare", "good", "goood"),
        ("train", "--resume", "goood"),
        ("train", "book.txt", "--init-from", "goood"),
    ):
        assert_refused(charlm(*command), 1, "'goood'", "Did you mean 'good'?")


@pytest.mark.parametrize("name", ["../good", "a/b", ".."])
def test_a_run_name_that_leads_elsewhere(with_run: Path, name: str) -> None:
    assert_refused(charlm("generate", "--run", name), 2, f"'{name}'")
    assert_refused(charlm("runs", "delete", name, "--yes"), 2, f"'{name}'")


def test_a_name_that_is_taken(with_run: Path) -> None:
    before = (with_run / "runs" / "good" / "run.json").read_bytes()
    assert_refused(charlm("train", "book.txt", "--run", "good"), 2, "already", "--resume good")
    assert (with_run / "runs" / "good" / "run.json").read_bytes() == before


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def replace_by_foreign(path: Path) -> None:
    path.write_text('{"something": "else"}')


@pytest.mark.parametrize("damage", [remove, truncate, replace_by_foreign])
@pytest.mark.parametrize("file", ["run.json", "vocabulary.json", "best/model.safetensors"])
def test_damaged_runs(with_run: Path, file: str, damage: Callable[[Path], None]) -> None:
    damage(with_run / "runs" / "good" / file)
    for command in (("generate", "--run", "good"), ("eval", "--run", "good")):
        result = charlm(*command)
        assert_refused(result, 1)
        assert Path(file).name in result.err or "good" in result.err
    assert charlm("runs", "list").code == 0


@pytest.mark.parametrize("damage", [remove, truncate, replace_by_foreign])
@pytest.mark.parametrize(
    "file", ["last/model.safetensors", "last/training.safetensors", "last/training.json"]
)
def test_damaged_training_state(with_run: Path, file: str, damage: Callable[[Path], None]) -> None:
    damage(with_run / "runs" / "good" / file)
    assert_refused(charlm("train", "--resume", "good", "--max-steps", "4"), 1)


def test_a_run_of_a_newer_format(with_run: Path) -> None:
    path = with_run / "runs" / "good" / "run.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    assert_refused(charlm("eval", "--run", "good"), 1, "newer charlm", "Upgrade")


def test_weights_of_another_run(with_run: Path) -> None:
    charlm("train", "book.txt", "--run", "other", *SMALL, "--hidden-size", "6")
    runs = with_run / "runs"
    shutil.copy(runs / "other/best/model.safetensors", runs / "good/best/model.safetensors")
    assert_refused(charlm("eval", "--run", "good"), 1, "not this model's")


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("--prefix", "the Ω and the Δ"), 1, "'Δ', 'Ω'"),
        (("--prefix", ""), 2, "The prefix is empty"),
        (("--prefix", "Ω", "--unknown", "skip"), 2, "The prefix is empty"),
        (("--prefix", "Ω", "--unknown", "ignore"), 2, "ignore"),
        (("--temperature", "-1"), 2, "--temperature must be at least 0, not -1.0"),
        (("--temperature", "nan"), 2, "--temperature must be at least 0, not nan"),
        (("--temperature", "inf"), 2, "--temperature"),
        (("--top-p", "0"), 2, "--top-p must be above 0 and at most 1, not 0.0"),
        (("--top-p", "1.5"), 2, "--top-p must be above 0 and at most 1, not 1.5"),
        (("--min-p", "-0.1"), 2, "--min-p"),
        (("--top-k", "-1"), 2, "--top-k"),
        (("--length", "-1"), 2, "--length must be at least 0, not -1"),
        (("--num-samples", "0"), 2, "--num-samples"),
        (("--device", "tpu"), 2, "tpu"),
    ],
)
def test_generation_that_makes_no_sense(
    with_run: Path, arguments: tuple[str, ...], code: int, part: str
) -> None:
    assert_refused(charlm("generate", *arguments), code, part)


def test_texts_too_short_to_score(with_run: Path) -> None:
    for content in ("", "x"):
        result = charlm("eval", "-", stdin=content)
        assert result.code in (1, 2)
        assert "Traceback" not in result.err


def test_unknown_characters_in_a_text_to_score(with_run: Path) -> None:
    assert_refused(charlm("eval", "-", "--unknown", "error", stdin="the Ω"), 1, "'Ω'")
    replaced = charlm("eval", "-", "--json", stdin="the Ω")
    assert (replaced.json["characters"], replaced.json["unknown_characters"]) == (4, 1)
    assert replaced.json["bits_per_byte"] is None
    skipped = charlm("eval", "-", "--json", "--unknown", "skip", stdin="the Ω")
    assert (skipped.json["characters"], skipped.json["unknown_characters"]) == (3, 1)


def test_resuming_what_cannot_go_on(with_run: Path) -> None:
    assert_refused(charlm("train", "--resume", "good"), 2, "finished", "--max-steps")
    assert_refused(
        charlm("train", "--resume", "good", "--max-steps", "9", "--cell", "lstm"), 2, "--cell"
    )
    assert_refused(charlm("train", "book.txt", "--resume", "good"), 2, "finished")
    (with_run / "book.txt").write_text(TEXT + "more")
    longer = ("train", "--resume", "good", "--max-steps", "9")
    assert_refused(charlm(*longer), 1, "has changed", "charlm train --resume good FILE")
    assert_refused(charlm(*longer, "book.txt"), 1, "'book.txt' is not the text")
    (with_run / "book.txt").unlink()
    assert_refused(charlm(*longer), 1, "book.txt", "charlm train --resume good FILE")
    assert_refused(charlm("eval"), 1, "book.txt", "charlm eval FILE")


def test_starting_from_a_run_with_another_model(with_run: Path) -> None:
    result = charlm("train", "book.txt", "--init-from", "good", "--hidden-size", "7")
    assert_refused(result, 2, "--hidden-size is 5 in the run 'good'")


def test_deleting_asks_first(with_run: Path) -> None:
    assert_refused(charlm("runs", "delete", "good"), 2, "--yes")
    assert (with_run / "runs" / "good").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--resume", "--cell", "gru"),
        ("train", "book.txt", "--cell", "--hidden-size", "5"),
        ("generate", "--prefix", "-h"),
        ("eval", "book.txt", "--run", "--json"),
        ("runs", "list", "--runs-dir", "--json"),
        ("corpus", "show", "book.txt", "--normalize", "--json"),
    ],
    ids=" ".join,
)
def test_an_option_is_no_value_of_the_one_before_it(here: Path, arguments: tuple[str, ...]) -> None:
    option, value = next(
        pair for pair in pairwise(arguments) if all(each.startswith("-") for each in pair)
    )
    assert_refused(charlm(*arguments), 2, f"{option} needs a value", f"{option}={value}")
    assert not (here / "runs").exists()


def test_an_option_that_is_meant_as_a_value_can_be_one(with_run: Path) -> None:
    result = charlm("generate", "--prefix=--run", "--length", "3")
    assert result.code == 1
    assert "'-'" in result.err
    # A flag has no value, nor has what stands before it.
    assert charlm("generate", "--prefix", "fox", "--json", "--length", "3").code == 0
