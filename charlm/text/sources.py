"""Where texts come from: files, folders, globs, the catalog and standard input, as bytes."""

import glob
import sys
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from charlm.errors import CorpusError, UsageError, suggestion
from charlm.files.paths import expanded
from charlm.machine.memory import available_memory, check_memory
from charlm.progress import ProgressCallback
from charlm.text.catalog import CATALOG
from charlm.text.download import fetch
from charlm.text.file_bytes import TextFile
from charlm.text.unlabelled import read_unlabelled

STDIN = "-"
IN_MEMORY = 16 << 20  # bytes of standard input at a time
SUFFIXES = (".txt", ".text", ".md")
# The order of paths on every system; Windows' own does not tell A from a.
BY_PARTS = attrgetter("parts")


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


def files_of(given: Sequence[str], report: ProgressCallback | None) -> list[TextFile] | None:
    """The files that texts lie in, if all of them do and can be read again; else None.

    Args:
        given: catalog names, paths, folders, globs or "-".
    """
    files: list[TextFile] = []
    for each in given:
        if each == STDIN or (each in CATALOG and CATALOG[each].texts):
            return None
        if each in CATALOG:
            files.append(TextFile(each, fetch(CATALOG[each], report), each))
            continue
        for path in text_files(each):
            source = lasting_source(path)
            if source == STDIN:
                return None
            files.append(TextFile(str(path), path, source))
    return files


def lasting_source(path: Path, content: bytes | None = None) -> str:
    """Absolute path to read a file again, or STDIN if it cannot be: a pipe, a file in /proc.

    Args:
        content: what was read; None: nothing was yet.
    """
    resolved = path.resolve()
    try:
        size = None if content is None else len(content)
        is_regular = resolved.is_file() and size in (None, resolved.stat().st_size)
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
            return read_into_memory(sys.stdin.buffer)
        except (OSError, ValueError) as error:
            problem = (getattr(error, "strerror", None) or str(error)).lower()
    raise CorpusError(
        f"Cannot read standard input: {problem}.", "Name a file, or send the text in a pipe."
    )


def read_into_memory(stream: BinaryIO) -> bytes:
    """Read what can be read only once, as long as there is memory for it.

    Raises:
        NotEnoughMemoryError: there is not.
    """
    pieces, size = list[bytes](), 0
    # The end is a piece that is not whole: a terminal would have to be told of it a second time.
    while not pieces or len(pieces[-1]) == IN_MEMORY:
        pieces.append(stream.read(IN_MEMORY))
        size += len(pieces[-1])
        # Joined and decoded it takes as much again, and again.
        advice = "Write it to a file, and name that: large files are read piece by piece."
        check_memory("Text from standard input", 3 * size, available_memory(), advice)
    return b"".join(pieces)


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
