"""The texts without a label of an archive of labelled texts, joined into one text."""

from pathlib import Path

from charlm.errors import CorpusError
from charlm.files.archives import members
from charlm.text.catalog import CatalogEntry
from charlm.text.splits import count

SUFFIX = ".txt"
# By so many bytes a text is known again.
BEGINNING = 100


def read_unlabelled(entry: CatalogEntry, archive: Path) -> tuple[bytes, str]:
    """The entry's texts without a label, each with a line end, and what to say of them.

    A text that begins as one with a label is left out: a classifier that starts from a model of
    this text may be scored on that one.

    Raises:
        CorpusError: the archive is damaged, or has no such texts.
    """
    folder = tuple(entry.texts.split("/"))
    found: list[bytes] = []
    known: set[bytes] = set()
    for each in members(archive):
        if len(each.parts) != len(folder) + 1 or not each.parts[-1].endswith(SUFFIX):
            continue
        content = each.read()
        if each.parts[:-1] == folder:
            found.append(content)
        else:
            known.add(content[:BEGINNING])
    kept = [each for each in found if each[:BEGINNING] not in known]
    if not kept:
        raise CorpusError(f"'{archive}' has no texts in '{entry.texts}'.", "Delete the file.")
    left = len(found) - len(kept)
    others = f"; {left:,} that begin as one with a label are left out" if left else ""
    content = b"".join(each if each.endswith(b"\n") else each + b"\n" for each in kept)
    return content, f"Of {entry.name}, {count(len(kept), 'text')} without a label are read{others}."
