"""Texts that were read, and how: decoded, normalized, as bytes, in documents."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from charlm.errors import CorpusError, look_up
from charlm.progress import ProgressCallback
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS
from charlm.text.decoding import (
    LINE_ENDS,
    BytesRead,
    Decoded,
    as_bytes,
    decode,
    decode_string,
    join,
)
from charlm.text.detection import AUTO, settle
from charlm.text.documents import marked, split_documents
from charlm.text.large import LargeCorpus
from charlm.text.large_files import called, nothing_left_error, open_large
from charlm.text.normalize import NORMALIZATIONS, none
from charlm.text.reading import AS_IT_COMES
from charlm.text.reading import Reading as Reading
from charlm.text.sources import STDIN, name_of, read_source
from charlm.text.splits import span_in_characters
from charlm.text.tokens import BYTES, DOCUMENT, WORDS, written_words
from charlm.text.vocabulary import Ids, Vocabulary, count_tokens


@dataclass(frozen=True)
class Corpus:
    """A normalized text, and where it came from.

    Args:
        name: a catalog name, or a file's name without its suffix.
        text: the text after normalization.
        normalization: name of the normalization.
        sha256: hash of the bytes read.
        characters_sha256: hash of the decoded characters before normalization, as UTF-8. Unlike
            `sha256` it does not depend on the encoding, line ends or byte-order mark.
        source: what to pass to `open_corpus` to read it again: absolute paths or a catalog name;
            "-" stands for text read from standard input or a pipe.
        bytes_read: how many bytes its characters were read from; None if unknown, as after a
            normalization that changed the text.
        notes: sentences to show to the user.
        files: where each file but the first begins in the text, before any normalization.
        is_bytes: whether the characters of the text stand for bytes.
        encoding: the one that its bytes were read in; that of a string is utf-8.
    """

    name: str
    text: str
    normalization: str = "none"
    sha256: str = ""
    characters_sha256: str = ""
    source: tuple[str, ...] = ()
    bytes_read: BytesRead | None = field(default_factory=BytesRead, compare=False, repr=False)
    notes: tuple[str, ...] = ()
    files: tuple[int, ...] = field(default=(), repr=False)
    is_bytes: bool = False
    encoding: str = "utf-8"

    @property
    def needs_copy(self) -> bool:
        """Whether any of it cannot be read again, as it came from a string or standard input."""
        return not self.source or STDIN in self.source

    @classmethod
    def from_text(cls, text: str, name: str = "text", normalization: str = "none") -> "Corpus":
        """Make a corpus from a string: line ends become \\n, a byte-order mark is removed.

        Raises:
            CorpusError: the string has a NUL or an unpaired surrogate.
            UsageError: the normalization is unknown.
        """
        look_up(NORMALIZATIONS, normalization, "normalization")
        decoded = decode_string(text, f"The text '{name}'")
        return cls.of(decoded, name, sha256_of(text)).normalized(normalization)

    @classmethod
    def of(cls, decoded: Decoded, name: str, sha256: str, source: tuple[str, ...] = ()) -> "Corpus":
        """Make a corpus from a decoded text, without normalization."""
        return cls(
            name,
            decoded.text,
            sha256=sha256,
            characters_sha256=sha256_of(decoded.text),
            source=source,
            bytes_read=decoded.bytes_read,
            notes=decoded.notes,
            files=decoded.files,
        )

    def read_as(self, reading: Reading) -> "Corpus":
        """Return a copy that is normalized, as bytes where these are asked for, and in documents.

        Raises:
            CorpusError: nothing stands between two documents, or nothing is left.
            UsageError: the normalization is unknown, or there are no such documents.
        """
        corpus = self.as_bytes() if reading.units == BYTES and not self.is_bytes else self
        normalization = reading.normalization or corpus.normalization
        if reading.documents is None:
            return corpus.normalized(normalization)
        normalize = look_up(NORMALIZATIONS, normalization, "normalization")
        texts = split_documents(corpus.text, reading.documents, corpus.files)
        if normalize is not none:
            texts = [normalize(each).strip() for each in texts]
        text = marked([each for each in texts if each])
        return replace(corpus, text=text, normalization=normalization, bytes_read=None)

    def as_bytes(self) -> "Corpus":
        """Return a copy whose characters, U+0000 to U+00FF, are the bytes of its text as UTF-8."""
        text = self.text.encode("utf-8", "surrogatepass").decode("latin-1")
        return replace(self, text=text, is_bytes=True, bytes_read=BytesRead("latin-1"))

    def normalized(self, normalization: str) -> "Corpus":
        """Return a copy with a normalization applied.

        Raises:
            UsageError: the normalization is unknown.
        """
        text = look_up(NORMALIZATIONS, normalization, "normalization")(self.text)
        bytes_read = self.bytes_read if text == self.text else None
        return replace(self, text=text, normalization=normalization, bytes_read=bytes_read)

    # What a `LargeCorpus` answers too; spans are those of tokens

    @property
    def text_sha256(self) -> str:
        """Hash of the characters."""
        return sha256_of(self.text)

    @property
    def characters(self) -> int:
        """Number of characters."""
        return len(self.text)

    def size(self, units: str) -> int:
        """Number of tokens."""
        return len(written_words(self.text) if units == WORDS else self.text)

    def counts(self, units: str, start: int, stop: int) -> dict[str, int]:
        """How often each token occurs in a span."""
        return count_tokens(self.text[slice(*self._span(start, stop, units))], units)

    def encode(self, vocabulary: Vocabulary, start: int, stop: int) -> Ids:
        """The ids of a span; what is not in the vocabulary becomes `<unk>`."""
        first, last = self._span(start, stop, vocabulary.units)
        return vocabulary.encode(self.text[first:last], "replace")

    def part(self, start: int, stop: int, units: str) -> str:
        """The characters of a span."""
        return self.text[slice(*self._span(start, stop, units))]

    def beginning(self, characters: int) -> str:
        """The first characters."""
        return self.text[:characters]

    def bytes_of(self, start: int, stop: int, units: str) -> int | None:
        """Number of bytes that a span was read from, as `count_bytes`."""
        return self.count_bytes(*self._span(start, stop, units))

    def fits(self, start: int, stop: int) -> bool:
        """Whether the characters of a span, and their scores, may be held in memory."""
        return True

    def _span(self, start: int, stop: int, units: str) -> tuple[int, int]:
        return span_in_characters(self.text, start, stop, units)

    @property
    def lossless(self) -> bool:
        """Whether encoding `text` gives the bytes read, but for a byte-order mark at the start."""
        counts = self.bytes_read
        return counts is not None and LINE_ENDS not in self.notes and not counts.extra.any()

    def count_bytes(self, start: int, stop: int) -> int | None:
        """Number of bytes that `text[start:stop]` was read from; `start` is at least 1.

        None if that is unknown: a normalization changed the text, or its encoding can write the
        same characters in several ways.
        """
        if self.bytes_read is None:
            return None
        try:
            return self.bytes_read.count(self.text, start, stop)
        except UnicodeError:
            return None


# Texts in memory, or in a map.
AnyCorpus = Corpus | LargeCorpus
# Ways to specify a text; None means the bundled corpus, or a run's own text.
Source = str | Path | AnyCorpus | Iterable[str | Path] | None


def open_corpus(
    source: str | Path | Iterable[str | Path] | None = None,
    reading: Reading = AS_IT_COMES,
    *,
    report: ProgressCallback | None = None,
    line_end: str = "\n",
) -> AnyCorpus:
    """Read a corpus by catalog name, file, folder, glob, several of these, or "-" (standard input).

    Files of more than 64 MiB together are prepared in the cache folder (see `preparing.py`).

    Args:
        source: None means the bundled corpus. A folder stands for all text files below it.
        reading: how to read it; by default the normalization is that of the catalog entry, and
            "none" for any other text and for bytes.
        report: called with the bytes done and their total while a corpus is downloaded, or a large
            text prepared.
        line_end: inserted between two texts if the first does not end in it.

    Raises:
        CorpusError: the text is missing, empty, or not valid in this encoding.
        UsageError: the normalization is unknown.
    """
    if source is None:
        source = DEFAULT_CORPUS
    given = [str(source)] if isinstance(source, str | Path) else [str(each) for each in source]
    normalization, in_bytes = reading.normalization, reading.units == BYTES
    if normalization is None:
        named = len(given) == 1 and given[0] in CATALOG and not in_bytes
        normalization = CATALOG[given[0]].normalization if named else "none"
    look_up(NORMALIZATIONS, normalization, "normalization")
    reading = replace(reading, normalization=normalization)
    large = open_large(given, reading, line_end, report)
    if large is not None:
        return large
    pieces = [piece for each in given for piece in read_source(each, report)]
    if not pieces:
        raise CorpusError("No text was given.", "Name a file, a folder or a corpus.")
    labels = [piece.label for piece in pieces]
    told, encoding = tuple(piece.note for piece in pieces if piece.note), reading.encoding
    if encoding == AUTO and not in_bytes:
        guess = settle((piece.label, piece.content) for piece in pieces)
        encoding, told = guess.encoding, (*told, guess.note(called(labels)))
    if in_bytes:  # Nothing is put between files.
        texts, line_end = [as_bytes(piece.content) for piece in pieces], ""
    else:
        texts = [decode(piece.content, piece.label, encoding) for piece in pieces]
    decoded = join(texts, labels, line_end)
    if not decoded.text:
        raise CorpusError(f"{labels[0]} is empty.", "Give a text with something in it.")
    corpus = Corpus.of(
        replace(decoded, notes=(*told, *decoded.notes)),
        name_of(given, pieces),
        hashlib.sha256(b"".join(piece.content for piece in pieces)).hexdigest(),
        tuple(piece.source for piece in pieces),
    )
    corpus = replace(corpus, is_bytes=in_bytes, encoding="utf-8" if in_bytes else encoding)
    corpus = corpus.read_as(reading)
    if not corpus.text.strip(DOCUMENT):
        raise nothing_left_error(corpus.name, normalization)
    return corpus


def sha256_of(text: str) -> str:
    """SHA-256 of the text as UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
