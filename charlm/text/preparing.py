"""Preparing a large text: decoded, normalized, counted and numbered in one pass, once for all.

The result is a file in the cache folder (`code_file.py`), named by what it was made of: the bytes
of the files and the way in which they were read. Beside it stands for each text what its files
looked like (size, times, inode), so that they are known again without being read.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from charlm.errors import CorpusError
from charlm.files import strict_json
from charlm.files.whole import write
from charlm.progress import ProgressCallback
from charlm.text.catalog import cache_folder
from charlm.text.code_file import CodeFile
from charlm.text.file_bytes import BLOCK, Hashing, Read, TextFile, changed_error, size_of
from charlm.text.making_codes import (
    DRAFT,
    SUFFIX,
    Way,
    cannot_keep,
    key_of,
    look,
    make,
    name_of_codes,
    opened,
)

# A file may change twice within one tick of its system's clock.
TICK = 50_000_000  # nanoseconds
# Of drafts, those that nobody has written to for so many seconds are abandoned.
ABANDONED = 3600.0


def prepared_folder() -> Path:
    """Where prepared texts are kept."""
    return cache_folder() / "prepared"


def prepared(files: Sequence[TextFile], way: Way, report: ProgressCallback) -> CodeFile:
    """The codes of a text, from the cache if they are there and whole.

    Args:
        report: called with the bytes read and those of all files, if they have to be.

    Raises:
        CorpusError: a file cannot be read or is no text, or changes meanwhile; there is no room.
    """
    folder = prepared_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
    except OSError as error:
        raise cannot_keep(folder, error) from None
    looks, note = look_of(files), folder / f"{key_of([*map(path_of, files)], way)}.json"
    known = read_note(note)
    if known is not None and known["files"] == looks:
        found = opened(folder / known["codes"], known["look"])
        if found is not None:
            return found
    size = sum(map(size_of, files))
    found = None
    if any(folder.glob(f"{size}-*{SUFFIX}")):  # Perhaps the same text, in another place.
        hashes = hashes_of(files, report)
        found = opened(folder / name_of_codes(size, hashes, way), None)
    if found is None:
        found = make(folder, files, way, report)
    if look_of(files) != looks:
        raise changed_error(files)
    newest = max(each[1] for each in looks)
    if time.time_ns() - newest > TICK:
        told = {"files": looks, "codes": found.path.name, "look": look(found.path)}
        about = {"paths": [*map(path_of, files)], "way": asdict(way)}
        with suppress(OSError):  # Without it the bytes are read again.
            write(note, strict_json.dumps({**told, **about}))
    return found


def path_of(file: TextFile) -> str:
    """The whole path of a file."""
    return str(file.path.resolve())


def look_of(files: Sequence[TextFile]) -> list[list[int]]:
    """`look` of each file."""
    return [look(file.path) for file in files]


def read_note(note: Path) -> dict[str, Any] | None:
    """What was noted of a text; None if nothing was, or it is damaged."""
    try:
        known = json.loads(note.read_bytes())
        return known if {"files", "codes", "look"} <= set(known) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def hashes_of(files: Sequence[TextFile], report: ProgressCallback) -> list[str]:
    """SHA-256 of each file."""
    read = Read()
    hashing = Hashing(files, read, report)
    for number, file in enumerate(files):
        for _ in hashing.chunks(number, file, BLOCK):
            pass
    return read.files


def remove_abandoned(folder: Path) -> None:
    """Remove drafts of processes that were killed."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > ABANDONED:
                draft.unlink()


@dataclass(frozen=True)
class PreparedText:
    """A text that lies in the cache.

    Args:
        paths: of the files that it was made of; none if they are not known any more.
        way: how they were read.
        size: bytes on the disk.
    """

    paths: tuple[str, ...]
    way: str
    size: int
    codes: Path


def prepared_texts() -> Iterator[PreparedText]:
    """What lies in the cache, the largest first."""
    folder = prepared_folder()
    notes = [note for note in map(read_note, folder.glob("*.json")) if note is not None]
    by_codes = {str(note["codes"]): note for note in notes}
    files = [*folder.glob(f"*{SUFFIX}"), *folder.glob(f"{DRAFT}*")]
    for file in sorted(files, key=lambda each: (-look(each)[0], each.name)):
        note = by_codes.get(file.name, {})
        way = note.get("way", {})
        how = ", ".join(
            str(way[name]) for name in ("units", "normalization", "encoding") if way.get(name)
        )
        yield PreparedText(tuple(map(str, note.get("paths", ()))), how, look(file)[0], file)


def delete_prepared() -> int:
    """Delete all that was prepared; return how many bytes that frees.

    Raises:
        CorpusError: a file cannot be deleted.
    """
    folder, freed = prepared_folder(), 0
    for file in (*folder.glob(f"*{SUFFIX}"), *folder.glob(f"{DRAFT}*"), *folder.glob("*.json")):
        size = look(file)[0]
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise CorpusError(
                f"Cannot delete '{file}': {(error.strerror or str(error)).lower()}.",
                "Wait for the end of whatever reads it, and try again.",
            ) from None
        freed += size
    return freed
