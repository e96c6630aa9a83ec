"""A text, and where it came from."""

import glob
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from charlm.errors import CorpusError, UsageError, look_up, suggestion
from charlm.files.paths import expanded
from charlm.progress import ProgressCallback
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS
from charlm.text.decoding import BytesRead, Decoded, decode, decode_string, join
from charlm.text.download import fetch
from charlm.text.normalize import NORMALIZATIONS

STDIN = "-"
SUFFIXES = (".txt", ".text", ".md")


@dataclass(frozen=True)
class Corpus:
    """A normalized text.

    Args:
        name: what people call it: a catalog name, a file's name without its ending.
        text: the text after normalization.
        normalization: its name.
        sha256: of the bytes that were read.
        characters_sha256: of the characters that they spell, before normalization, as UTF-8: the
            same whatever the encoding, the line ends and the byte-order mark were.
        source: how `open_corpus` finds it again: absolute paths, a catalog name, or "-" for what
            was read from standard input or a pipe.
        bytes_read: how many for each character; None where a normalization changed the text.
        notes: sentences that its reader should see.
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
    def unique(self) -> bool:
        """Whether it, or a part of it, can be read nowhere else again."""
        return not self.source or STDIN in self.source

    @classmethod
    def from_text(cls, text: str, name: str = "text", normalization: str = "none") -> "Corpus":
        """A corpus from a string: line ends become \\n, and a byte-order mark is left out.

        Raises:
            CorpusError: it has characters that no text has, such as NUL.
            UsageError: an unknown normalization.
        """
        look_up(NORMALIZATIONS, normalization, "normalization")
        decoded = decode_string(text, f"The text '{name}'")
        return cls.of(decoded, name, sha256_of(text)).normalized(normalization)

    @classmethod
    def of(cls, decoded: Decoded, name: str, sha256: str, source: tuple[str, ...] = ()) -> "Corpus":
        """A corpus of a text as it came in."""
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
        """The same corpus after one more normalization.

        Raises:
            UsageError: there is none of this name.
        """
        text = look_up(NORMALIZATIONS, normalization, "normalization")(self.text)
        bytes_read = self.bytes_read if text == self.text else None
        return replace(self, text=text, normalization=normalization, bytes_read=bytes_read)

    @property
    def lossless(self) -> bool:
        """The text spells exactly the characters that were read, of one text without a mark."""
        counts = self.bytes_read
        return counts is not None and not self.notes and not counts.extra.any()

    def count_bytes(self, start: int, stop: int) -> int | None:
        """Bytes that were read for the characters from `start`, before which there is another.

        None where nobody can tell: a normalization changed the text, or its encoding has several
        spellings.
        """
        if self.bytes_read is None:
            return None
        try:
            return self.bytes_read.count(self.text, start, stop)
        except UnicodeError:
            return None


# What a text may be given as; None is the bundled corpus, or a run's own text.
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
        source: None is the bundled corpus. A folder stands for the text files in and below it.
        normalization: by default the catalog entry's own, and "none" for any other text.
        report: told of the bytes received when a corpus has to be downloaded first.
        line_end: what is put between two texts of which the first does not end in a line end.

    Raises:
        CorpusError: nothing there, nothing in it, or bytes that are no text in this encoding.
        UsageError: an unknown normalization.
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
    if not decoded.text:
        raise CorpusError(f"{labels[0]} is empty.", "Give a text with something in it.")
    corpus = Corpus.of(
        decoded,
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
    """SHA-256 of a text's UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Piece(NamedTuple):
    """One of the texts that a corpus is made of: for messages, as read, and for reading again."""

    label: str
    content: bytes
    source: str


def read_source(given: str, report: ProgressCallback | None) -> list[Piece]:
    """What one name, path, folder, glob or "-" stands for."""
    if given == STDIN:
        return [Piece("standard input", read_standard_input(), STDIN)]
    if given in CATALOG:
        return [Piece(given, fetch(CATALOG[given], report).read_bytes(), given)]
    contents = ((path, read_bytes(path)) for path in text_files(given))
    return [Piece(str(path), content, lasting_source(path, content)) for path, content in contents]


def lasting_source(path: Path, content: bytes) -> str:
    """Where a file is found again; STDIN where it is not, as with pipes and what /proc makes up."""
    place = path.resolve()
    try:
        lasting = place.is_file() and place.stat().st_size == len(content)
    except OSError:
        lasting = False
    # On some systems a redirected file looks like a file there, to this process alone.
    passing = place.parent in (Path("/dev"), Path("/dev/fd"))
    return str(place) if lasting and not passing else STDIN


def read_standard_input() -> bytes:
    """All that comes in.

    Raises:
        CorpusError: it is closed, or cannot be read.
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
    """What to call a corpus: a catalog name, "stdin", a file's or a folder's name."""
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
    """The files that a path, folder or glob stands for.

    Raises:
        CorpusError: there are none.
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
        found = sorted(
            each
            for each in path.rglob("*")
            if each.suffix.lower() in SUFFIXES and each.is_file() and not is_hidden(each, path)
        )
        if not found:
            raise CorpusError(
                f"The folder '{given}' holds no text files ({', '.join(SUFFIXES)}).",
                f"Name the files themselves, for example '{given.rstrip('/')}/*'.",
            )
    elif exists:
        found = [path]
    else:
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path has no absolute globs)
        found = sorted(match for match in map(Path, matches) if match.is_file())
        if not found:
            raise missing
    yield from found


def is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"Cannot read '{path}': {(error.strerror or str(error)).lower()}."
        ) from None
