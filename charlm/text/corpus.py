"""A text, and where it came from."""

import glob
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from charlm.errors import CorpusError, SettingError, UsageError, look_up, suggestion
from charlm.folders import expanded
from charlm.reports import Report
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS
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
        source: how `open_corpus` finds it again: absolute paths, a catalog name, or "-".
        lossless: the text spells exactly the characters that were read.
        notes: sentences that its reader should see.
    """

    name: str
    text: str
    normalization: str = "none"
    sha256: str = ""
    source: tuple[str, ...] = ()
    lossless: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, text: str, name: str = "text", normalization: str = "none") -> "Corpus":
        """A corpus from a string.

        Raises:
            UsageError: an unknown normalization.
        """
        return cls(name, text, sha256=sha256_of(text)).normalized(normalization)

    def normalized(self, normalization: str) -> "Corpus":
        """The same corpus after one more normalization.

        Raises:
            UsageError: there is none of this name.
        """
        text = look_up(NORMALIZATIONS, normalization, "normalization")(self.text)
        lossless = self.lossless and text == self.text
        return replace(self, text=text, normalization=normalization, lossless=lossless)


def open_corpus(
    source: str | Path | Iterable[str | Path] | None = None,
    *,
    normalization: str | None = None,
    encoding: str = "utf-8",
    report: Report | None = None,
) -> Corpus:
    """Read a corpus by catalog name, file, folder, glob, several of these, or "-" (standard input).

    Args:
        source: None is the bundled corpus. A folder stands for the text files in and below it.
        normalization: by default the catalog entry's own, and "none" for any other text.
        report: told of the bytes received when a corpus has to be downloaded first.

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
    raw = "".join(decode(piece.content, piece.label, encoding) for piece in pieces)
    if not raw:
        raise CorpusError(f"{pieces[0].label} is empty.", "Give a text with something in it.")
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    corpus = Corpus(
        name_of(given, pieces),
        text,
        sha256=hashlib.sha256(b"".join(piece.content for piece in pieces)).hexdigest(),
        source=tuple(piece.source for piece in pieces),
        lossless=text == raw,
        notes=() if text == raw else ("Line ends were \\r\\n or \\r; they are read as \\n.",),
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


def read_source(given: str, report: Report | None) -> list[Piece]:
    """What one name, path, folder, glob or "-" stands for."""
    if given == STDIN:
        return [Piece("standard input", read_standard_input(), STDIN)]
    if given in CATALOG:
        return [Piece(given, fetch(CATALOG[given], report).read_bytes(), given)]
    return [Piece(str(p), read_bytes(p), str(p.resolve())) for p in text_files(given)]


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
    first = Path(pieces[0].source)
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


def decode(content: bytes, label: str, encoding: str) -> str:
    """The text that the bytes spell, without a byte-order mark.

    Raises:
        CorpusError: they spell none; the message names the offset, in bytes, of the first bad one.
        SettingError: Python knows no such encoding.
    """
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        # Text has no NUL bytes; what has them is better called by its name.
        if b"\0" in content and "\0".encode(encoding) == b"\0":
            raise binary(label, content.find(b"\0")) from None
        raise CorpusError(
            f"'{label}' is not {encoding} text: byte 0x{error.object[error.start]:02X} "
            f"at offset {len(content) - len(error.object) + error.start:,} cannot stand there.",
            "Name its encoding with --encoding, for example latin-1, cp1251 or utf-16.",
        ) from None
    except (LookupError, UnicodeError):
        raise SettingError("encoding", f"'{encoding}' is not known, or does not fit.") from None
    if "\0" in text:
        before = text[: text.index("\0")]
        raise binary(label, len(before.encode(encoding)))
    return text.removeprefix("\ufeff")


def binary(label: str, offset: int) -> CorpusError:
    return CorpusError(
        f"'{label}' has a NUL byte at offset {offset:,}: it is binary, or text in utf-16.",
        "Give a text file, or name its encoding with --encoding, for example utf-16.",
    )
