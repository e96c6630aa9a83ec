"""Whatever is compressed comes back the same."""

import re
from pathlib import Path

import pytest
from compressing import ODD, OLD, run_normalized, run_of
from hypothesis import given, settings
from hypothesis import strategies as st

import charlm
from charlm.compression.compress import compress, decompress
from charlm.compression.spelling import SEGMENTATIONS, segments
from charlm.compression.text_coder import FEW_PARTS, MOST_PARTS, PART, SHORT_PART, parts_of
from charlm.errors import CorpusError, RunError, SettingError
from charlm.text.decoding import decode_string
from charlm.text.normalize import NORMALIZATIONS

pytest.importorskip("constriction")
CELLS = sorted(path.name for path in OLD.iterdir() if path.is_dir())
RUN = run_of()
GOLDEN = Path(__file__).parent / "golden"
NOVELLA = Path(__file__).parents[2] / "data" / "time-traveller.txt"
TEXT = (OLD / "gru" / "corpus.txt").read_bytes()[:300] + b"\r\n" + "É Ω €".encode() + b"\xff\r"


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_odd_files_come_back(tmp_path: Path, normalization: str, name: str) -> None:
    run = run_normalized(tmp_path, normalization)
    made = compress(run, ODD[name])
    assert decompress(run, made.content) == ODD[name]
    # What the run cannot predict at all takes little more than it was.
    assert len(made.content) - made.header_size <= 2.5 * len(ODD[name]) + 8


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_come_back(content: bytes) -> None:
    assert decompress(RUN, compress(RUN, content).content) == content


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_writes_what_it_once_wrote(name: str) -> None:
    """Compressed when the format was made: another machine or version must give these bytes."""
    run, file = run_of(name), GOLDEN / "2" / f"{name}.charlm"
    assert compress(run, TEXT).content == file.read_bytes()
    assert decompress(run, file.read_bytes()) == TEXT


def test_a_longer_text_gives_what_it_once_gave() -> None:
    text, file = NOVELLA.read_bytes()[:9000], GOLDEN / "2" / "novella.charlm"
    assert compress(RUN, text).content == file.read_bytes()


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("1/*")), ids=lambda file: file.stem)
def test_what_an_older_charlm_compressed_is_read(file: Path) -> None:
    run, text = run_of(file.stem.removesuffix("-in-parts")), TEXT
    if file.stem.endswith("-in-parts"):
        text = 12 * TEXT
    assert decompress(run, file.read_bytes()) == text


@pytest.mark.parametrize("size", [1, SHORT_PART, 2 * SHORT_PART + 1, 5 * SHORT_PART + 3])
def test_texts_in_several_parts_come_back(size: int) -> None:
    content = (TEXT * (size // 300 + 1))[:size]
    assert decompress(RUN, compress(RUN, content).content) == content


def test_long_texts_have_more_parts() -> None:
    assert [parts_of(size) for size in (0, 1, SHORT_PART, 10 * SHORT_PART)] == [1, 1, 1, FEW_PARTS]
    assert parts_of(10 * PART + 5) == 10
    assert parts_of(10**9) == MOST_PARTS


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-be", "utf-32", "UTF-8"])
def test_other_encodings_come_back(encoding: str) -> None:
    content = "it was café, so\r\n".encode(encoding)
    assert decompress(RUN, compress(RUN, content, encoding).content) == content
    swapped = "\ufeffit was".encode("utf-16-be")
    assert decompress(RUN, compress(RUN, swapped, "utf-16").content) == swapped


def test_an_encoding_makes_known_what_it_spells() -> None:
    content = "it was so".encode("utf-16-le")
    assert compress(RUN, content).unknown == 9  # NULs
    assert compress(RUN, content, "utf-16-le").unknown == 0


@pytest.mark.parametrize(
    ("encoding", "problem"),
    [
        ("ascii", "not ascii: byte 0xE9 at offset 3"),
        ("utf-7", "not utf-7"),
        ("cp037-no", "not known"),
        ("hex", "does not fit"),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused(encoding: str, problem: str) -> None:
    with pytest.raises((CorpusError, SettingError), match=problem):
        compress(RUN, "café".encode("latin-1"), encoding)


def test_an_encoding_that_loses_something_is_refused() -> None:
    with pytest.raises(CorpusError, match="not come back the same"):
        compress(RUN, b"+AGE-", "utf-7")


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = RUN.load_weights()
    broken = {**weights, "output.bias": weights["output.bias"] * float("nan")}
    run = run_normalized(tmp_path, "none")
    monkeypatch.setattr(type(run), "load_weights", lambda self: broken)
    with pytest.raises(RunError, match="not all finite"):
        compress(run, b"it")


def test_python_has_both() -> None:
    run = charlm.load("gru", runs_dir=OLD)
    assert run.decompress(run.compress(TEXT)) == TEXT


# Segments


def test_every_normalization_has_its_segments() -> None:
    assert set(SEGMENTATIONS) == {*NORMALIZATIONS, "words", "bytes"}


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(st.text(alphabet="aBz .,\r\nÉİσΣ\0\u2028", max_size=30) | st.text(max_size=30))
def test_segments_leave_nothing_out(normalization: str, text: str) -> None:
    entries, spellings = segments(text, normalization)
    assert "".join(spellings) == text
    assert all(spellings)
    assert all(len(each) == 1 for each in entries)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(st.text(alphabet="aBz .,\r\nÉ'-\u2028", max_size=30))
def test_the_run_reads_the_text_as_it_was_trained(normalization: str, text: str) -> None:
    entries, _ = segments(text, normalization)
    expected = NORMALIZATIONS[normalization](decode_string(text, "It").text)
    if normalization == "letters-by-line" and not re.match("[A-Za-z]", text):
        # What stands before the first letter has no letter to go with, and becomes a blank.
        assert "".join(entries).lstrip() == expected.lstrip()
    else:
        assert "".join(entries) == expected
