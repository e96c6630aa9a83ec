"""Trees of texts, in folders or archives, with a folder for each label."""

import io
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from charlm.errors import CorpusError
from charlm.files.archives import members
from charlm.tables.lines import chosen_encoding, lines_of, read_binary
from charlm.tables.table import Row, Table

TEXT_SUFFIXES = (".txt", ".text")
TEXT_COLUMN, LABEL_COLUMN, FILE_COLUMN, PART_COLUMN = "text", "label", "file", "part"
# Folders of parts, whose folders are labels; and folders of texts without a label.
PARTS = ("train", "test")
UNLABELLED = ("unsup", "unsupervised")
# A path below the root of a tree, part by part; and what the folders say of a text: its label, or
# its label and its part.
Place = tuple[str, ...]
Said = tuple[str, ...]


def open_folder(root: Path, encoding: str) -> Table:
    """A folder of texts, whose folders are labels; below `train` and `test`, a column `part` too.

    Raises:
        CorpusError: there are no text files in folders.
    """
    said = labelled(list(places_in(root)))
    order = sorted(said, key=lambda place: (said[place][1:] == ("test",), place))

    def texts() -> Iterator[tuple[Place, str, BinaryIO]]:
        for place in order:
            path = root.joinpath(*place)
            yield place, f"'{path}'", read_binary(path)

    source = str(root.resolve())
    return tree(root.resolve().name, f"The folder '{root}'", said, texts, encoding, (source,))


def places_in(root: Path) -> Iterator[Place]:
    """Files in the folders of a folder, and in the folders of its parts.

    Raises:
        CorpusError: they may not be read.
    """
    try:
        for folder in os.scandir(root):
            for each in os.scandir(folder) if folder.is_dir() else ():
                if not each.is_dir():
                    yield folder.name, each.name
                elif folder.name in PARTS:
                    for file in os.scandir(each):
                        if not file.is_dir():
                            yield folder.name, each.name, file.name
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CorpusError(f"Cannot read '{error.filename}': {reason}.") from None


def open_archive(path: Path, name: str, encoding: str, source: tuple[str, ...]) -> Table:
    """An archive of such a folder, or of what is in it. Its rows have the archive's order.

    It is read to its end here, and again whenever rows are read.

    Raises:
        CorpusError: there are no text files in folders, one is there twice, or the archive is
            damaged or holds too much.
    """
    places = [each.parts for each in members(path) if is_text(each.parts)]
    top = top_of(places)
    said = labelled([place[top:] for place in places])
    if len(said) < len([place for place in places if place[top:] in said]):
        twice = Counter(places).most_common(1)[0][0]
        raise CorpusError(
            f"'{path}' holds '{'/'.join(twice)}' twice.", "Unpack it, and name the folder."
        )

    def texts() -> Iterator[tuple[Place, str, BinaryIO]]:
        for each in members(path):
            if (place := each.parts[top:]) in said:
                yield place, f"'{'/'.join(each.parts)}' in '{path}'", io.BytesIO(each.read())

    return tree(name, f"The archive '{path}'", said, texts, encoding, source)


def top_of(places: Collection[Place]) -> int:
    """How many folders stand above the tree: one, if there is no other and it is no part, or none.

    Args:
        places: of texts.
    """
    tops = {place[0] for place in places if len(place) > 1}
    return int(
        len(tops) == 1 and tops.isdisjoint(PARTS) and bool(labelled([each[1:] for each in places]))
    )


def is_text(place: Place) -> bool:
    """Whether a file is a text, and neither hidden nor in a hidden folder."""
    return bool(place) and (
        place[-1].lower().endswith(TEXT_SUFFIXES)
        and not any(each.startswith(".") for each in place)
    )


def labelled(places: Collection[Place]) -> dict[Place, Said]:
    """What the folders say of each text that has a label."""
    texts = [each for each in places if is_text(each)]
    parted: list[Place] = [each for each in texts if len(each) == 3 and each[0] in PARTS]
    found = parted or [each for each in texts if len(each) == 2]
    return {each: (each[-2], *each[:-2]) for each in found if each[-2] not in UNLABELLED}


def tree(
    name: str,
    where: str,
    said: Mapping[Place, Said],
    texts: Callable[[], Iterator[tuple[Place, str, BinaryIO]]],
    encoding: str,
    source: tuple[str, ...],
) -> Table:
    """The table of a tree.

    Args:
        where: what to call the tree in an error.
        said: what the folders say of each text.
        texts: reads these texts from the first one on: the place of each, what to call it, its
            bytes.
    """
    if not said:
        raise CorpusError(
            f"{where} has no folders of text files ({', '.join(TEXT_SUFFIXES)}).",
            "Put the texts of each label into a folder of its own, or name a CSV file.",
        )
    encoding, notes = chosen_encoding(
        encoding, lambda: ((label, opened) for _, label, opened in texts())
    )
    told = (LABEL_COLUMN, PART_COLUMN)[: len(next(iter(said.values())))]
    columns = (TEXT_COLUMN, told[0], FILE_COLUMN, *told[1:])

    def rows() -> Iterator[Row]:
        for place, label, opened in texts():
            with closing(opened) as file:
                text = "".join(lines_of(file, label, encoding))
            values = (text, said[place][0], "/".join(place), *said[place][1:])
            yield dict(zip(columns, values, strict=True))

    part = PART_COLUMN if PART_COLUMN in columns else None
    return Table(name, columns, rows, source, part, encoding, notes)
