"""Tables as people have them: CSV, TSV, JSON lines, folders; and files that are none."""

import io
import sys
from pathlib import Path

import pytest

from charlm.errors import CorpusError, SettingError
from charlm.tables.sources import open_table
from charlm.tables.table import Table


def rows(path: Path | list[Path], encoding: str = "utf-8") -> list[dict[str, str]]:
    return [dict(row) for row in open_table(path, encoding)]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_quoted_fields_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    long = "x" * 300_000
    file = write(tmp_path / "a.csv", f'text,label\r\n"one, ""two""\nthree",1\r\n{long},1.0\r\n')
    assert rows(file) == [
        {"text": 'one, "two"\nthree', "label": "1"},
        {"text": long, "label": "1.0"},
    ]
    table = open_table(file)
    assert table.columns == ("text", "label")
    assert table.source == (str(file.resolve()),)
    assert list(table) == list(table)  # It is read again.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = "я да" if delimiter == "," else "я, да"
    file = write(tmp_path / "a.csv", f"text{delimiter}label\n{text}{delimiter}NA\n")
    assert [row["label"] for row in rows(file)] == ["NA"]


def test_marks_and_encodings(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "bom.csv", "\ufefftext,label\na,b\n")) == [
        {"text": "a", "label": "b"}
    ]
    content = "text,label\nпривет,да\n"
    for encoding in ("cp1251", "utf-16"):
        file = write(tmp_path / f"{encoding}.csv", content.encode(encoding))
        assert rows(file, encoding) == [{"text": "привет", "label": "да"}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"text,label\na,b\n\xe4,b\n", "line 3 has the byte 0xE4"),
        (b"text,label\na,b\nc\0,b\n", "a NUL in line 3"),
        (b"text,label\na,b\nc\n", "1 fields in line 3"),
        (b"text,label\na,b,c\n", "3 fields in line 2"),
        (b'text,label\n"a,b\n', "is no table"),
        (b"text,text\na,b\n", "two columns called 'text'"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_table_is_a_sentence_that_names_the_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=problem):
        rows(write(tmp_path / "a.csv", content))


def test_json_lines(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        '{"text": "a\\nb", "n": 1.0, "m": null}\n\n{"m": "x", "n": 1, "text": "c"}\n',
    )
    assert rows(file) == [
        {"text": "a\nb", "n": "1.0", "m": ""},
        {"text": "c", "n": "1", "m": "x"},
    ]  # fmt: skip
    for content, problem in (
        ('{"text": "a"}\n{"text": ', "no JSON in line 2"),
        ('{"text": "a"}\n[1]\n', "no JSON object in line 2"),
        ('{"text": "a"}\n{"label": "a"}\n', "'label' is in only"),
        ('{"text": ["a", "b"]}\n', "several values for 'text' in line 1"),
    ):
        with pytest.raises(CorpusError, match=problem):
            rows(write(tmp_path / "b.jsonl", content))


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    """As aclImdb lies: its unlabelled texts are no class."""
    for part, label, name, text in (
        ("train", "pos", "1_9.txt", "good"),
        ("train", "neg", "2_1.txt", "bad\n"),
        ("train", "unsup", "3_0.txt", "who knows"),
        ("test", "pos", "4_8.txt", "fine"),
    ):
        folder = tmp_path / "aclImdb" / part / label
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / name, text)
    found = rows(tmp_path / "aclImdb")
    assert [(row["part"], row["label"], row["text"]) for row in found] == [
        ("train", "neg", "bad\n"),
        ("train", "pos", "good"),
        ("test", "pos", "fine"),
    ]
    assert {row["label"] for row in rows(tmp_path / "aclImdb" / "train")} == {"pos", "neg"}
    with pytest.raises(CorpusError, match="no folders of text files"):
        rows(tmp_path / "aclImdb" / "train" / "pos")


def test_several_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "one.csv", "text,label\na,b\n")
    two = write(tmp_path / "two.csv", "text,label\nc,d\n")
    other = write(tmp_path / "other.csv", "text,class\nc,d\n")
    assert [row["text"] for row in open_table([one, two])] == ["a", "c"]
    with pytest.raises(CorpusError, match=r"other has the columns text, class"):
        open_table([one, other])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(one.read_bytes())))
    table = open_table("-")
    assert (table.name, table.source) == ("stdin", ())
    assert [dict(row) for row in table] == rows(one)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file called"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(SettingError, match="'utf-99' is not known"):
        rows(write(tmp_path / "a.csv", "a,b\n1,2\n"), "utf-99")


class Frame:
    """What has columns, as data frames do."""

    columns = ("text", "label")

    def __getitem__(self, name: str) -> list[object]:
        return {"text": ["a", None], "label": [1, float("nan")]}[name]


@pytest.mark.parametrize(
    "data",
    [
        [{"text": "a", "label": 1}, {"text": None, "label": float("nan")}],
        {"text": ["a", None], "label": [1, float("nan")]},
        Frame(),
    ],
    ids=["rows", "columns", "frame"],
)
def test_tables_from_python(data: object) -> None:
    table = Table.of(data)
    assert [dict(row) for row in table] == [
        {"text": "a", "label": "1"},
        {"text": "", "label": ""},
    ]
    assert table.source == ()


def test_odd_rows_from_python() -> None:
    with pytest.raises(CorpusError, match="Row 2 of table has the columns text;"):
        Table.of([{"text": "a", "label": "b"}, {"text": "a"}])
    with pytest.raises(CorpusError, match="has no rows"):
        Table.of([])
    with pytest.raises(CorpusError, match=r"no column 'labell', .* Did you mean 'label'"):
        try:
            Table.of([{"text": "a", "label": "b"}]).column("labell", "--label-column")
        except CorpusError as error:
            raise CorpusError(f"{error.message} {error.hint}") from None
