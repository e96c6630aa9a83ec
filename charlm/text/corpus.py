"""Reading texts from files, folders, the catalog and standard input."""

import glob
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from charlm.errors import CorpusError, UsageError, look_up, suggestion
from charlm.files.paths import expanded
from charlm.progress import ProgressCallback
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS
from charlm.text.decoding import BytesRead, Decoded, decode, decode_string, join
from charlm.text.download import fetch
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.unlabelled import read_unlabelled

STDIN = "-"
SUFFIXES = (".txt", ".text", ".md")
# The order of paths on every system; Windows' own does not tell A from a.
BY_PARTS = attrgetter("parts")


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
    """

    name: str
    text: str
    normalization: str = "none"
    sha256: str = ""
    characters_sha256: str = ""
    source: tuple[str, ...] = ()
    bytes_read: BytesRead | None = field(default_factory=BytesRead, compare=False, repr=False)
    notes: tuple[str, ...] = ()

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
        )

    def normalized(self, normalization: str) -> "Corpus":
        """Return a copy with a normalization applied.

        Raises:
            UsageError: the normalization is unknown.
        """
        text = look_up(NORMALIZATIONS, normalization, "normalization")(self.text)
        bytes_read = self.bytes_read if text == self.text else None
        return replace(self, text=text, normalization=normalization, bytes_read=bytes_read)

    @property
    def lossless(self) -> bool:
        """Whether encoding `text` gives the bytes read, but for a byte-order mark at the start."""
        counts = self.bytes_read
        return counts is not None and not self.notes and not counts.extra.any()

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


# Ways to specify a text; None means the bundled corpus, or a run's own text.
Source = str | Path | Corpus | Iterable[str | Path] | None


def open_corpus(
    source: str | Path | Iterable[str | Path] | None = None,
    *,
    normalization: str | None = None,
    encoding: str = "utf-8",
    report: ProgressCallback | None = None,
    line_end: str = "\n",
) -> Corpus:
    """Read a corpus by catalog name, file, folder, glob, several of these, or "-" (standard input).

    Args:
        source: None means the bundled corpus. A folder stands for all text files below it.
        normalization: by default that of the catalog entry, and "none" for any other text.
        encoding: how the bytes of the text are decoded, as Python names it.
        report: called with the bytes received and their total while a corpus is downloaded.
        line_end: inserted between two texts if the first does not end in it.

    Raises:
        CorpusError: the text is missing, empty, or not valid in this encoding.
        UsageError: the normalization is unknown.
    """
    if source is None:
        source = DEFAULT_CORPUS
    given = [str(source)] if isinstance(source, str | Path) else [str(each) for each in source]
    pieces = [piece for each in given for piece in read_source(each, report)]
    if not pieces:
        raise CorpusError("No text was given.", "Name a file, a folder or a corpus.")
    if normalization is None:
        named = len(given) == 1 and given[0] in CATALOG
        normalization = CATALOG[given[0]].normalization if named else "none"
    look_up(NORMALIZATIONS, normalization, "normalization")
    labels = [piece.label for piece in pieces]
    texts = [decode(piece.content, piece.label, encoding) for piece in pieces]
    decoded = join(texts, labels, line_end)
    told = tuple(piece.note for piece in pieces if piece.note)
    if not decoded.text:
        raise CorpusError(f"{labels[0]} is empty.", "Give a text with something in it.")
    corpus = Corpus.of(
        replace(decoded, notes=(*told, *decoded.notes)),
        name_of(given, pieces),
        hashlib.sha256(b"".join(piece.content for piece in pieces)).hexdigest(),
        tuple(piece.source for piece in pieces),
    ).normalized(normalization)
    if not corpus.text:
        raise CorpusError(
            f"Nothing of {corpus.name} is left after the normalization '{normalization}'.",
            "Give another text, or have it read with --normalize none (train, vocab, corpus show).",
        )
    return corpus


def sha256_of(text: str) -> str:
    """SHA-256 of the text as UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Piece(NamedTuple):
    """One of the texts that a corpus is made of.

    Args:
        label: its name in messages.
        content: the bytes read.
        source: as in `Corpus`.
        note: a sentence to show to the user.
    """

    label: str
    content: bytes
    source: str
    note: str = ""


def read_source(given: str, report: ProgressCallback | None) -> list[Piece]:
    """Read the texts that a catalog name, path, folder, glob or "-" stands for."""
    if given == STDIN:
        return [Piece("standard input", read_standard_input(), STDIN)]
    if given in CATALOG:
        file = fetch(CATALOG[given], report)
        if CATALOG[given].texts:
            content, note = read_unlabelled(CATALOG[given], file)
            return [Piece(given, content, given, note)]
        return [Piece(given, file.read_bytes(), given)]
    contents = ((path, read_bytes(path)) for path in text_files(given))
    return [Piece(str(path), content, lasting_source(path, content)) for path, content in contents]


def lasting_source(path: Path, content: bytes) -> str:
    """Absolute path to read a file again, or STDIN if it cannot be: a pipe, a file in /proc."""
    resolved = path.resolve()
    try:
        is_regular = resolved.is_file() and resolved.stat().st_size == len(content)
    except OSError:
        is_regular = False
    # On some systems redirected input looks like a regular file here, but only to this process.
    in_dev = resolved.parent in (Path("/dev"), Path("/dev/fd"))
    return str(resolved) if is_regular and not in_dev else STDIN


def read_standard_input() -> bytes:
    """Read standard input to its end, as bytes.

    Raises:
        CorpusError: standard input is closed or cannot be read.
    """
    problem = "it is closed"
    if sys.stdin is not None:
        try:
            return sys.stdin.buffer.read()
        except (OSError, ValueError) as error:
            problem = (getattr(error, "strerror", None) or str(error)).lower()
    raise CorpusError(
        f"Cannot read standard input: {problem}.", "Name a file, or send the text in a pipe."
    )


def name_of(given: list[str], pieces: list[Piece]) -> str:
    """Name for a corpus: a catalog name, "stdin", "pipe", or the name of a file or folder."""
    if len(given) == 1 and given[0] in CATALOG:
        return given[0]
    if given == [STDIN]:
        return "stdin"
    if len(given) == 1 and expanded(given[0]).is_dir():
        return expanded(given[0]).resolve().name
    first = Path(pieces[0].label if pieces[0].source == STDIN else pieces[0].source)
    if first.parent == Path("/dev/fd"):
        return "pipe"
    return first.stem if len(pieces) == 1 else first.parent.name or "texts"


def text_files(given: str) -> Iterator[Path]:
    """The files that a path, folder or glob stands for, sorted.

    Raises:
        CorpusError: there are none, or they may not be read.
    """
    missing = CorpusError(
        f"There is no file and no corpus called '{given}'.", suggestion(CATALOG, given)
    )
    try:
        path = expanded(given)
        is_dir, exists = path.is_dir(), path.exists()
    except UsageError as error:
        raise CorpusError(error.message, error.hint) from None
    except PermissionError:
        raise CorpusError(f"Cannot read '{given}': permission denied.") from None
    except (OSError, RuntimeError):  # too long a name, or a loop of links
        raise missing from None
    if is_dir:
        texts = (
            each
            for each in path.rglob("*")
            if each.suffix.lower() in SUFFIXES and each.is_file() and not is_hidden(each, path)
        )
        found = sorted(texts, key=BY_PARTS)
        if not found:
            raise CorpusError(
                f"The folder '{given}' holds no text files ({', '.join(SUFFIXES)}).",
                f"Name the files themselves, for example '{given.rstrip('/')}/*'.",
            )
    elif exists:
        found = [path]
    else:
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path has no absolute globs)
        found = sorted((each for each in map(Path, matches) if each.is_file()), key=BY_PARTS)
        if not found:
            raise missing
    yield from found


def is_hidden(path: Path, root: Path) -> bool:
    """Whether a file, or a folder between it and `root`, has a name that begins with a dot."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def read_bytes(path: Path) -> bytes:
    """Contents of a file; raises CorpusError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"Cannot read '{path}': {(error.strerror or str(error)).lower()}."
        ) from None
