"""What bytes and strings become when they come in, and how many bytes were read for what."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import CorpusError
from charlm.text.corpus import Corpus, Reading, open_corpus
from charlm.text.decoding import LINE_ENDS, Decoded, decode, decode_string, join

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp037"]
texts = st.text("ab é\n\r", max_size=30)


def plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Characters


@settings(deadline=None, max_examples=200)
@given(texts, st.sampled_from(ENCODINGS), st.booleans())
def test_the_characters_are_the_same_however_they_came(
    text: str, encoding: str, marked: bool
) -> None:
    mark = "\ufeff" if marked and encoding.startswith("utf") else ""
    by_bytes = decode((mark + text).encode(encoding), "a file", encoding)
    by_string = decode_string(mark + text, "The prefix")
    assert by_bytes.text == by_string.text == plain(text)
    assert by_bytes.notes == by_string.notes == ((LINE_ENDS,) if "\r" in text else ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ab\0c", "The prefix has a NUL as character 3"),
        ("\ud800", "The prefix has U\\+D800, half of a surrogate pair, as character 1"),
        ("ab\udcff", "The prefix has the byte 0xFF, which is not utf-8, as character 3"),
    ],
)
def test_a_string_that_is_no_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        decode_string(text, "The prefix")
    with pytest.raises(CorpusError, match="The text 'mine' has "):
        Corpus.from_text(text, "mine")


def test_a_corpus_from_a_string_is_that_from_a_file_of_it(tmp_path: Path) -> None:
    text = "\ufeffone\r\ntwo\rthree é"
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    from_text, from_file = Corpus.from_text(text), open_corpus(path)
    assert from_text.text == from_file.text == "one\ntwo\nthree é"
    for name in ("sha256", "characters_sha256", "notes", "lossless"):
        assert getattr(from_text, name) == getattr(from_file, name)


def test_a_text_is_known_by_its_characters(tmp_path: Path) -> None:
    """Whatever spelled them, and before any normalization."""
    text, digests = "Zeile é\nzwei\n", set()
    for number, (content, encoding) in enumerate(
        [
            (text.encode(), "utf-8"),
            (text.encode("latin-1"), "latin-1"),
            (text.encode("utf-16"), "utf-16"),
            (b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(), "utf-8"),
            (text.replace("\n", "\r").encode("utf-32"), "utf-32"),
        ]
    ):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(content)
        for normalization in ("none", "lower", "letters"):
            corpus = open_corpus(path, Reading(normalization, encoding))
            digests.add(corpus.characters_sha256)
    digests.add(Corpus.from_text(text, normalization="lower").characters_sha256)
    assert len(digests) == 1
    assert Corpus.from_text(text + "\n").characters_sha256 not in digests


# Bytes


def slow_count(raws: list[str], encoding: str, start: int, stop: int) -> int:
    """Bytes of the characters from start to stop, counted one by one with what stands before it."""
    costs: list[int] = []
    filled = [raw for raw in raws if raw.removeprefix("\ufeff")]
    for number, raw in enumerate(filled):
        body = raw.removeprefix("\ufeff")
        mark = len(raw.encode(encoding)) - sum(
            len(("a" + each).encode(encoding)) - len("a".encode(encoding)) for each in body
        )
        i, first = 0, len(costs)
        while i < len(body):
            width = 2 if body[i : i + 2] == "\r\n" else 1
            part = body[i : i + width]
            costs.append(len(("a" + part).encode(encoding)) - len("a".encode(encoding)))
            i += width
        costs[first] += mark if number else 0
        if number + 1 < len(filled) and body[-1] not in "\r\n":
            costs.append(0)
    return sum(costs[start:stop])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.booleans(), texts), min_size=1, max_size=4),
    st.sampled_from(ENCODINGS),
    st.data(),
)
def test_bytes_are_those_that_were_read(
    given_texts: list[tuple[bool, str]], encoding: str, data: st.DataObject
) -> None:
    """In any encoding, with any line ends and marks, of several texts, in any part of them."""
    # Python's utf-16, utf-32 and utf-8-sig begin with a mark of their own.
    unmarked = encoding in ("utf-8", "utf-16-le")
    raws = ["\ufeff" * (marked and unmarked) + text for marked, text in given_texts]
    contents = [raw.encode(encoding) for raw in raws]
    decoded = join([decode(each, "a file", encoding) for each in contents], ["a file"] * len(raws))
    start = data.draw(st.integers(1, max(len(decoded.text), 1)))
    stop = data.draw(st.integers(start, max(len(decoded.text), start)))
    assert decoded.bytes_read is not None
    counted = decoded.bytes_read.count(decoded.text, start, stop)
    assert counted == slow_count(raws, encoding, start, stop)


def test_all_bytes_but_the_first_characters_are_counted() -> None:
    content = b"\xef\xbb\xbf" + "é one\r\ntwo\r\n東".encode()
    decoded = decode(content, "a file")
    assert decoded.bytes_read is not None
    counted = decoded.bytes_read.count(decoded.text, 1, len(decoded.text))
    assert counted == len(content) - len(b"\xef\xbb\xbf") - len("é".encode())


def test_where_nobody_can_tell_the_bytes_none_are_told() -> None:
    # ISO-2022-JP: an escape that changes nothing, which Python would not write again.
    content = "東京\n".encode("iso-2022-jp")
    assert decode(content, "a file", "iso-2022-jp").bytes_read is not None
    spare = decode(content + b"a\x1b(B" + b"b", "a file", "iso-2022-jp")
    assert spare.text == "東京\nab"
    assert spare.bytes_read is None
    assert Corpus.from_text("Ab", normalization="lower").count_bytes(1, 2) is None
    assert Corpus.from_text("ab", normalization="lower").count_bytes(1, 2) == 1


# Several texts


def joined(*contents: str) -> Decoded:
    return join(
        [decode(each.encode(), "a file") for each in contents],
        [f"{number}.txt" for number in range(len(contents))],
    )


@pytest.mark.parametrize(
    ("contents", "text", "named"),
    [
        (("one", "two"), "one\ntwo", "'0.txt'"),
        (("one\n", "two"), "one\ntwo", ""),
        (("one\r\n", "two\r", "three"), "one\ntwo\nthree", ""),
        (("one", "", "two"), "one\ntwo", "'0.txt'"),
        (("", "one", ""), "one", ""),
        (("one", "\ufefftwo", "three\n", "four"), "one\ntwo\nthree\nfour", "'0.txt', '1.txt'"),
        (("one", "\n"), "one\n\n", "'0.txt'"),
        (("1", "2", "3", "4", "5", "6"), "1\n2\n3\n4\n5\n6", "'1.txt', '2.txt' and 2 more"),
        (("one\u2028", "two"), "one\u2028\ntwo", "'0.txt'"),
    ],
)
def test_a_line_end_stands_between_texts(contents: tuple[str, ...], text: str, named: str) -> None:
    decoded = joined(*contents)
    assert decoded.text == text
    put = [note for note in decoded.notes if note != LINE_ENDS]
    assert len(put) == bool(named)
    assert all(named in note for note in put)


def test_nothing_is_put_between_where_nothing_is_wanted(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_text(path.name)
    assert open_corpus(paths, line_end="").text == "onetwo"
    corpus = open_corpus(paths, Reading(normalization="letters"))
    assert corpus.text == "one two"
    assert "'" + str(paths[0]) + "'" in corpus.notes[0]
