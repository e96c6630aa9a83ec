"""A text that is decoded, normalized and counted in pieces is the one that is read at once."""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charlm.errors import CharlmError
from charlm.progress import ignore_progress
from charlm.text.coding import whole_words
from charlm.text.decoding import Decoded, decode, join
from charlm.text.file_bytes import Read, TextFile
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.normalize_stream import STREAMED
from charlm.text.streaming import can_stream, text_pieces
from charlm.text.tokens import written_words

ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1251", "utf-16", "utf-16-le", "utf-32", "gb18030")
# What the door changes, what stands at its borders, and letters of one to four bytes.
CHARACTERS = st.sampled_from("aB \r\n\t.é\N{CYRILLIC SMALL LETTER ZHE}ΣσΐİШ東🙂\ufeff'’\u0307")
TEXTS = st.lists(CHARACTERS, max_size=30).map("".join)


def streamed(
    folder: Path, contents: list[bytes], encoding: str, block: int, line_end: str = "\n"
) -> tuple[str, dict[int, int], Read]:
    """What `text_pieces` makes of files: the text, its extra bytes by position, what is known."""
    files = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.txt"
        path.write_bytes(content)
        files.append(TextFile(f"{number}", path, str(path)))
    read, text, extra = Read(), "", dict[int, int]()
    for piece in text_pieces(files, encoding, read, ignore_progress, line_end, block):
        assert piece.text
        for position, more in zip(piece.positions.tolist(), piece.extra.tolist(), strict=True):
            extra[len(text) + position] = more
        text += piece.text
    return text, extra, read


def at_once(contents: list[bytes], encoding: str, line_end: str = "\n") -> Decoded:
    """What the door makes of the same files."""
    names = [f"{number}" for number in range(len(contents))]
    texts = [decode(each, name, encoding) for each, name in zip(contents, names, strict=True)]
    return join(texts, names, line_end)


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(ENCODINGS), st.integers(1, 9))
@example(["a\r", "\nb", ""], "utf-8", 1)
@example(["\ufeffa", "\ufeffb\r\n", "\ufeffc"], "utf-8", 2)
def test_pieces_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], encoding: str, block: int
) -> None:
    contents = [text.encode(encoding, "ignore") for text in texts]
    expected = at_once(contents, encoding)
    folder = tmp_path_factory.mktemp("texts")
    text, extra, read = streamed(folder, contents, encoding, block)
    assert text == expected.text
    labels = [f"{number}" for number in range(len(contents))]
    assert read.notes(labels) == expected.notes
    assert read.sha256 == hashlib.sha256(b"".join(contents)).hexdigest()
    assert read.spelled == (expected.bytes_read is not None)
    if expected.bytes_read is not None:
        known = zip(
            expected.bytes_read.positions.tolist(), expected.bytes_read.extra.tolist(), strict=True
        )
        whole: dict[int, int] = {}
        for position, more in known:
            whole[position] = whole.get(position, 0) + more
        assert extra == {
            position: more for position, more in whole.items() if more and position < len(text)
        }


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=24), st.sampled_from(ENCODINGS), st.integers(1, 7))
@example(b"ab\xc3", "utf-8", 1)
@example(b"ab\xff\x00", "utf-8", 1)
@example(b"a\x00b", "utf-8", 1)
@example(b"a\x00b\x00\x00\x00", "utf-16-le", 1)
def test_errors_name_the_same_byte(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str, block: int
) -> None:
    def outcome(make: object) -> str:
        try:
            return repr(make())  # type: ignore[operator]
        except CharlmError as error:
            # The hint is a guess at the encoding, from the bytes at hand.
            return f"{type(error)} {error.message}"

    folder = tmp_path_factory.mktemp("texts")
    expected = outcome(lambda: at_once([content], encoding).text)
    got = outcome(lambda: streamed(folder, [content], encoding, block)[0])
    if encoding == "utf-8-sig" and "NUL" in expected and not content.startswith(b"\xef\xbb\xbf"):
        return  # At once, the offset counts a byte-order mark that is not there.
    assert got == expected


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.lists(st.integers(0, 30), max_size=6), st.sampled_from(sorted(STREAMED)))
@example("aΣ'" * 3, [2, 3, 5, 6], "lower")
@example("xΣΣ--", [2, 3], "lower")
@example("a \n b", [1, 2, 3, 4], "letters-by-line")
def test_normalized_in_pieces(text: str, cuts: list[int], name: str) -> None:
    normalization = STREAMED[name]()
    found, held = "", ""
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, stop in pairwise(bounds):
        held += text[start:stop]
        cut = normalization.cut(held) if stop < len(text) else len(held)
        piece = normalization.feed(held[:cut])
        found += piece.decode("ascii") if isinstance(piece, bytes) else piece
        held = held[cut:]
    assert found == NORMALIZATIONS[name](text)


def test_all_normalizations_stream() -> None:
    assert set(STREAMED) == set(NORMALIZATIONS)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
def test_words_are_cut_where_both_parts_have_them(text: str) -> None:
    stop = whole_words(text)
    assert written_words(text[:stop]) + written_words(text[stop:]) == written_words(text)
    # Whatever follows, the first part is done with.
    assert written_words(text + "x")[: len(written_words(text[:stop]))] == written_words(
        text[:stop]
    )


def test_encodings_that_need_the_whole_are_known() -> None:
    assert all(can_stream(encoding) for encoding in ENCODINGS)
    assert not any(can_stream(each) for each in ("utf-7", "iso2022_jp", "hz", "base64", "rot13"))
    with pytest.raises(CharlmError, match="no-such"):
        can_stream("no-such")


def test_sizes_of_pieces_do_not_depend_on_the_file(tmp_path: Path) -> None:
    """A file of many blocks is never held at once."""
    content = b"0123456789" * 1000
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    read, sizes = Read(), []
    for piece in text_pieces(
        [TextFile("a", path, str(path))], "utf-8", read, lambda done, of: None, block=64
    ):
        sizes.append(len(piece.text))
    assert max(sizes) == 64
    assert np.sum(sizes) == len(content)
