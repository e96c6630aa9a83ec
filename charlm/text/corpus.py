"""A text, where it came from, and the spans it is split into."""

import glob
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from charlm.config import DataConfig
from charlm.errors import CorpusError, SettingError, look_up, suggestion
from charlm.text.catalog import CATALOG, DEFAULT_CORPUS
from charlm.text.download import Report, fetch
from charlm.text.normalize import NORMALIZATIONS

STDIN = "-"
SUFFIXES = (".txt", ".text", ".md")
Span = tuple[int, int]


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
        """A corpus from a string."""
        normalized = look_up(NORMALIZATIONS, normalization, "normalization")(text)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(name, normalized, normalization, digest, (), normalized == text)


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
    if len(given) == 1 and given[0] in CATALOG:
        entry = CATALOG[given[0]]
        name, normalization = entry.name, normalization or entry.normalization
        recorded, pieces = given, [(entry.name, fetch(entry, report).read_bytes())]
    elif given == [STDIN]:
        name, recorded, pieces = "stdin", given, [("standard input", sys.stdin.buffer.read())]
    else:
        paths = [path for each in given for path in text_files(each)]
        name = Path(given[0]).stem if len(paths) == 1 else Path(given[0]).parent.name or "texts"
        if len(given) == 1 and Path(given[0]).is_dir():
            name = Path(given[0]).resolve().name
        recorded = [str(path.resolve()) for path in paths]
        pieces = [(str(path), read_bytes(path)) for path in paths]
    normalization = normalization or "none"
    normalize = look_up(NORMALIZATIONS, normalization, "normalization")
    raw = "".join(decode(content, label, encoding) for label, content in pieces)
    if not raw:
        raise CorpusError(f"{pieces[0][0]} is empty.", "Give a text with something in it.")
    unix = raw.replace("\r\n", "\n").replace("\r", "\n")
    text = normalize(unix)
    notes = []
    if unix != raw:
        notes.append("Line ends were \\r\\n or \\r; they are read as \\n.")
    if not text:
        raise CorpusError(
            f"Nothing of {name} is left after the normalization '{normalization}'.",
            "Use --normalize none.",
        )
    digest = hashlib.sha256(b"".join(content for _, content in pieces)).hexdigest()
    return Corpus(name, text, normalization, digest, tuple(recorded), text == raw, tuple(notes))


def text_files(given: str) -> Iterator[Path]:
    """The files that a path, folder or glob stands for.

    Raises:
        CorpusError: there are none.
    """
    path = Path(given).expanduser()
    if path.is_dir():
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
    elif path.exists():
        found = [path]
    else:
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path has no absolute globs)
        found = sorted(match for match in map(Path, matches) if match.is_file())
        if not found:
            raise CorpusError(
                f"There is no file and no corpus called '{given}'.", suggestion(CATALOG, given)
            )
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
        if b"\0" in content:
            raise binary(label, content.find(b"\0")) from None
        raise CorpusError(
            f"'{label}' is not {encoding} text: byte 0x{content[error.start]:02X} "
            f"at offset {error.start:,} cannot stand there.",
            "Name its encoding with --encoding, for example latin-1, cp1251 or utf-16.",
        ) from None
    except (LookupError, UnicodeError):
        raise SettingError("encoding", f"'{encoding}' is not known, or does not fit.") from None
    if "\0" in text:
        raise binary(label, content.find(b"\0"))
    return text.removeprefix("\ufeff")


def binary(label: str, offset: int) -> CorpusError:
    return CorpusError(
        f"'{label}' has a NUL byte at offset {offset:,}: it is binary, or text in utf-16.",
        "Give a text file, or name its encoding with --encoding, for example utf-16.",
    )


@dataclass(frozen=True)
class Splits:
    """Contiguous spans of a text, [start, stop), in this order; val and test may be empty."""

    train: Span
    val: Span
    test: Span

    @classmethod
    def of(cls, characters: int, config: DataConfig) -> "Splits":
        """Split a text of this length.

        Raises:
            CorpusError: a span that is asked for would have fewer than two characters, one to
                read and one to predict.
        """
        splits = cls._cut(characters, config)
        if not splits._usable(config):
            needed = characters
            while not cls._cut(needed, config)._usable(config):
                needed += 1
            raise CorpusError(
                f"The text has {count(characters)}; training needs at least {needed:,}.",
                "Give a longer text, or hold out less of it with --val-fraction.",
            )
        return splits

    @classmethod
    def _cut(cls, characters: int, config: DataConfig) -> "Splits":
        # The tiny addition keeps 0.9 · n from falling short of a whole number.
        held_out = config.val_fraction + config.test_fraction
        train_stop = int(characters * (1 - held_out) + 1e-9)
        val_stop = characters - int(characters * config.test_fraction + 1e-9)
        train = (0, min(train_stop, config.train_characters or train_stop))
        return cls(train, (train_stop, val_stop), (val_stop, characters))

    def _usable(self, config: DataConfig) -> bool:
        asked = [self.train]
        asked += [self.val] if config.val_fraction else []
        asked += [self.test] if config.test_fraction else []
        return all(stop - start >= 2 for start, stop in asked)

    @property
    def held_out(self) -> str:
        """The split that a result is reported on: test, else val, else, for want of any, train."""
        return next((name for name in ("test", "val") if self.size(name)), "train")

    def span(self, name: str) -> Span:
        """The span called train, val or test, or all of the text."""
        spans: dict[str, Span] = {
            **vars(self),
            "all": (0, max(self.train[1], self.val[1], self.test[1])),
        }
        return look_up(spans, name, "split")

    def size(self, name: str) -> int:
        start, stop = self.span(name)
        return stop - start

    def of_text(self, text: str, name: str) -> str:
        start, stop = self.span(name)
        return text[start:stop]


def count(characters: int) -> str:
    return f"{characters:,} character{'' if characters == 1 else 's'}"
