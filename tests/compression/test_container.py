"""A compressed file that is not as it was written is refused, in a sentence, at once."""

import pytest
from compressing import run_of
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.compression.coder import CompressionError
from charlm.compression.compress import compress, decompress
from charlm.compression.container import MAGIC, Header, Reader, pack, packed_number, unpack
from charlm.compression.text_coder import TextCoder

pytest.importorskip("constriction")
RUN, OTHER = run_of("gru"), run_of("lstm")
TEXT = b"it was so\r\nand was it so?"
MADE = compress(RUN, TEXT).content
HEADER, CODED = unpack(MADE)


@given(st.text(max_size=20), st.binary(max_size=40), st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_header_comes_back(run: str, coded: bytes, size: int, segments: int) -> None:
    header = Header(run, b"12345678", "utf-8", 123, size, segments)
    assert unpack(pack(header, coded)) == (header, coded)


@given(st.integers(0, 2**62))
def test_numbers_come_back(number: int) -> None:
    reader = Reader(packed_number(number) + b"x", 0)
    assert reader.number() == number
    assert reader.bytes(1) == b"x"


@pytest.mark.parametrize("size", range(len(MADE)))
def test_every_truncation_is_refused(size: int) -> None:
    with pytest.raises(CompressionError):
        decompress(RUN, MADE[:size])


@pytest.mark.parametrize("at", range(len(MADE)))
def test_every_changed_byte_is_refused(at: int) -> None:
    for change in (1, 0x80, 0xFF, 0x20):
        changed = MADE[:at] + bytes([MADE[at] ^ change]) + MADE[at + 1 :]
        with pytest.raises(CompressionError):
            decompress(RUN, changed)


@given(st.data())
def test_other_changes_are_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(MADE)))
    stop = data.draw(st.integers(start, min(len(MADE), start + 9)))
    changed = MADE[:start] + data.draw(st.binary(max_size=9)) + MADE[stop:]
    if changed != MADE:
        with pytest.raises(CompressionError):
            decompress(RUN, changed)


@given(st.binary(max_size=100))
def test_other_files_are_refused(content: bytes) -> None:
    for each in (content, MAGIC + content):
        with pytest.raises(CompressionError):
            decompress(RUN, each)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "nothing to read"),
        (b"PK\3\4 something", "no text that charlm compressed"),
        (MAGIC + b"\3" + MADE[8:], "version 3 .* Update charlm"),
        (MAGIC + b"\0" + MADE[8:], "version 0 .* charlm that wrote it"),
        (MADE[:-1], "cut short"),
        (MADE + b"12", "2 bytes more"),
        (MADE[:-6] + b"?" + MADE[-5:], "checksum"),
        (pack(Header("lstm", HEADER.model_hash, "utf-8", 0, 1, 1), CODED), "does not fit"),
    ],
)
def test_the_sentence_says_what_is_wrong(content: bytes, sentence: str) -> None:
    with pytest.raises(CompressionError, match=sentence) as caught:
        decompress(RUN, content)
    assert "\n" not in str(caught.value)


def test_another_run_is_refused() -> None:
    with pytest.raises(CompressionError, match="with the run 'gru', and 'lstm' is another"):
        decompress(OTHER, MADE)


def test_a_run_that_was_trained_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = RUN.load_weights()
    weights["output.bias"][0] += 1e-6
    monkeypatch.setattr(RUN, "load_weights", lambda: weights)
    with pytest.raises(CompressionError, match="not as it was"):
        decompress(RUN, MADE)


def forged(segments: int, size: int = len(TEXT), coded: bytes = CODED) -> bytes:
    """A file with a right checksum and a false header."""
    return pack(Header(HEADER.run, HEADER.model_hash, "utf-8", HEADER.crc, size, segments), coded)


@pytest.mark.parametrize(
    ("segments", "size"), [(2**60, 60), (2**40, 60), (2**60, 2**60), (60, 2**60), (0, 60)]
)
def test_a_claim_that_cannot_be_is_refused_before_a_step(
    segments: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextCoder, "code", None)
    with pytest.raises(CompressionError, match="do not fit"):
        decompress(RUN, forged(segments, size))


@pytest.mark.parametrize(("segments", "size"), [(5000, 5000), (5000, 2**30), (len(TEXT) + 40, 60)])
def test_a_false_claim_is_refused_where_the_bits_end(segments: int, size: int) -> None:
    """So many characters might be in there, if hardly any of them were new."""
    with pytest.raises(CompressionError):
        decompress(RUN, forged(segments, size))


@settings(deadline=None)
@given(st.binary(min_size=4, max_size=64))
def test_words_that_no_encoder_wrote_end_somewhere(content: bytes) -> None:
    coded = content[: len(content) // 4 * 4]
    with pytest.raises(CompressionError):
        decompress(RUN, forged(100, coded=coded))
