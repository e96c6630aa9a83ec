"""Tables on standard input: read as often as needed, and left nowhere."""

import csv
import gc
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import charlm as command

import charlm
from charlm.errors import CorpusError
from charlm.tables.sources import KeptInput, open_table

SMALL: dict[str, Any] = {"hidden_size": 4, "batch_size": 16, "epochs": 1}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with another one for temporary files."""
    (tmp_path / "work").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def temporary(here: Path) -> list[Path]:
    """What lies among the temporary files, once what is no more used is gone."""
    gc.collect()
    return list((here / "temporary").rglob("*"))


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


def numbers(number: int = 30) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [{"a": float(x), "y": float(3 * x + 1)} for x in random.normal(size=number)]


def write(path: str, rows: list[dict[str, Any]]) -> str:
    """Write a table, and return what is in it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    Path(path).write_text(out.getvalue(), encoding="utf-8")
    return out.getvalue()


def test_it_can_be_read_again_and_is_removed_with_the_table(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "".join(f"{i},\u00e9\n" for i in range(50_000))
    give(monkeypatch, f"n,t\n{content}".encode())
    table = open_table("-")
    assert (table.name, table.columns, table.source) == ("stdin", ("n", "t"), ())
    one, other = iter(table), iter(table)
    assert next(one) == next(other) == {"n": "0", "t": "é"}
    assert [row["n"] for row in table] == [str(i) for i in range(50_000)]
    assert next(one)["n"] == "1"
    (file,) = (each for each in temporary(here) if each.is_file())
    assert file.stat().st_size == len(f"n,t\n{content}".encode())
    del table
    assert temporary(here) != []  # Somebody still reads it.
    del one, other
    assert temporary(here) == []


def test_what_was_read_already_is_not_kept(here: Path) -> None:
    stream = io.BytesIO(b"abcdef")
    stream.read(2)
    kept = KeptInput(stream)
    with kept.open() as one, kept.open() as other:
        assert (one.read(), other.read()) == (b"cdef", b"cdef")
    del kept
    assert temporary(here) == []


def test_nothing_is_left_of_what_is_no_table(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, problem in ((b"", "is empty"), (b"a,a\n1,2\n", "two columns called 'a'")):
        give(monkeypatch, content)
        with pytest.raises(CorpusError, match=problem):
            open_table("-")
        assert temporary(here) == []
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CorpusError, match="it is closed"):
        open_table("-")


def test_numbers_are_predicted_as_from_the_file(here: Path) -> None:
    charlm.train(numbers(), run="one", task="regression", **SMALL)
    content = write("new.csv", [{"name": "é, x", **row} for row in numbers(7)])
    for options in ((), ("--json",)):
        asked = ("--run", "one", *options)
        file = command("predict", "new.csv", *asked)
        stdin = command("predict", "-", *asked, stdin=content)
        assert (file.code, stdin.code) == (0, 0), stdin.err
        assert stdin.out == file.out
        assert len(file.out.splitlines()) == 7 + (not options)
    assert temporary(here) == []


def test_series_go_on_as_from_the_file(here: Path) -> None:
    charlm.train(numbers(80), run="one", task="regression", window=3, horizon=2, **SMALL)
    content = write("new.csv", numbers(9))
    file = command("predict", "new.csv", "--run", "one")
    assert command("predict", "-", "--run", "one", stdin=content).out == file.out
    assert len(file.out.splitlines()) == 1 + 9 + 2


def test_texts_of_a_column_are_labelled_as_from_the_file(here: Path) -> None:
    rows = [{"text": "ab"[i % 2] * (1 + i % 5), "label": "xy"[i % 2]} for i in range(40)]
    charlm.train(rows, run="one", task="classification", embedding_size=3, **SMALL)
    content = write("new.csv", [{"words": row["text"], "more": "1"} for row in rows[:9]])
    asked = ("--run", "one", "--text-column", "words")
    file = command("predict", "new.csv", *asked)
    stdin = command("predict", "-", *asked, stdin=content)
    assert (file.code, stdin.code) == (0, 0), stdin.err
    assert stdin.out == file.out
    assert stdin.out.splitlines()[0] == "words,more,predicted label,probability"
    assert temporary(here) == []
    # Without the column's name it is one text.
    told = command("predict", "-", "--run", "one", "--json", stdin=content)
    assert json.loads(told.out).keys() == {"label", "probabilities"}
    assert command("predict", "-", "--run", "one", "--text-column", "x", stdin=content).code == 1


def test_a_table_without_rows_is_its_header(here: Path) -> None:
    charlm.train(numbers(), run="rows", task="regression", **SMALL)
    charlm.train(numbers(80), run="series", task="regression", window=3, **SMALL)
    rows = [{"text": "ab"[i % 2] * 3, "label": "xy"[i % 2]} for i in range(40)]
    charlm.train(rows, run="texts", task="classification", embedding_size=3, **SMALL)
    Path("new.csv").write_text("a,y\n")
    for source, stdin in (("new.csv", ""), ("-", "a,y\n")):
        for run in ("rows", "series"):
            result = command("predict", source, "--run", run, stdin=stdin)
            assert (result.code, result.out) == (0, "a,y\n"), result.err
            result = command("predict", source, "--run", run, "--json", stdin=stdin)
            assert (result.code, result.out) == (0, "")
    result = command("predict", "-", "--run", "texts", "--text-column", "text", stdin="text\n")
    assert (result.code, result.out) == (0, "text\n"), result.err
    result = command("predict", "-", "--run", "rows", stdin="")
    assert (result.code, result.out) == (1, "")
    assert "standard input is empty" in result.err
    assert temporary(here) == []
