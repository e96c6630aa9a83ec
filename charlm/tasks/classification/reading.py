"""Labelled texts, read from the rows of a table."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.tables.parts import NAMES, TRAIN, Parts
from charlm.tables.table import Digest
from charlm.tasks.classification.run import Labels
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.supervised.rows import RowKeeper, Sources, find_column
from charlm.tasks.supervised.run import PART
from charlm.tasks.supervised.texts import TextCollector
from charlm.text.splits import count

TEXT_COLUMNS = ("text", "review", "sentence", "content", "title")
LABEL_COLUMNS = ("label", "sentiment", "class", "category", "target")


@dataclass
class LabelledTexts:
    """Texts, labels and parts as they were read, row by row.

    Args:
        collected: the texts that are not empty.
        labels: of each, as written.
        parts: of each.
        source: where the rows can be read again; nothing where they cannot.
        columns: of texts and of labels.
        empty: how many rows had no text.
        repeated: how many rows of the training part also stand in a held-out part.
        groups: number of each text's group, where a column says it.
        notes: what to know of how they were read.
    """

    name: str
    collected: TextCollector
    labels: list[str]
    parts: Parts
    source: list[str]
    columns: tuple[str, str]
    sha256: str
    empty: int
    repeated: int
    groups: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def copied_rows(self) -> Iterator[dict[str, str]]:
        """The rows, as a run keeps them that cannot read them again."""
        for row, (label, part) in enumerate(zip(self.labels, self.parts.tolist(), strict=True)):
            if part < len(NAMES):  # and not left out as a duplicate
                yield {"text": self.collected.text(row), "label": label, PART: NAMES[part]}


def read_labelled(source: Any, config: ClassificationConfig, seed: int) -> LabelledTexts:
    """Read all rows, and draw the part of each that is not known to belong to one.

    Memory is that of the ids of the texts, not of the texts.

    Raises:
        CorpusError: no such columns, a row without a label, or nothing to read.
    """
    sources = Sources.open(source, config)
    table = sources.main
    config = replace(config, encoding=table.encoding)
    text_column = find_column(table, config.text_column, TEXT_COLUMNS, "--text-column")
    label_column = find_column(table, config.label_column, LABEL_COLUMNS, "--label-column")
    if config.group_column is not None:
        table.column(config.group_column, "--group-column")
    collected, kept, digest = TextCollector(config), RowKeeper(config.group_column), Digest()
    labels, hashes, empty = list[str](), array("q"), 0
    names: dict[str, str] = {}
    for number, (row, part) in enumerate(sources.rows(config), 1):
        for column in (text_column, label_column):
            if column not in row:
                raise CorpusError(
                    f"A held-out table has no column '{column}'.",
                    "Give files with the columns of the first one.",
                )
        text, label = row[text_column], row[label_column]
        if not label.strip():
            raise CorpusError(
                f"{sources.name} has no label in row {number:,}.",
                "Give every row a label, or leave the row out.",
            )
        if not collected.add(text):
            empty += 1
            continue
        # One string for all rows of a label, which may be a million.
        labels.append(names.setdefault(label, label))
        hashes.append(hash(text))
        kept.add(row, part)
        digest.add(text, label, *kept.last)
    if not labels:
        raise CorpusError(f"{sources.name} has no texts.", "Give a table with some.")
    parts = kept.parts(labels, config, seed)
    known = np.frombuffer(hashes, dtype=np.int64)
    repeated = (parts == TRAIN) & np.isin(known, known[parts != TRAIN])
    if config.drop_duplicates:
        parts = np.where(repeated, np.uint8(len(NAMES)), parts)
    return LabelledTexts(
        name=sources.name,
        collected=collected,
        labels=labels,
        parts=parts,
        source=sources.again,
        columns=(text_column, label_column),
        sha256=digest.hexdigest(),
        empty=empty,
        repeated=int(repeated.sum()),
        groups=None if kept.groups is None else kept.numbers,
        notes=table.notes,
    )


def notices_of(read: LabelledTexts, labels: Labels, dropped: bool) -> Iterator[str]:
    """What to know of the rows before training."""
    yield from read.notes
    counts = zip(labels.names, labels.counts, strict=True)
    shown = sorted(counts, key=lambda pair: -pair[1])
    named = ", ".join(f"{name} {n:,}" for name, n in shown[:8])
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    yield f"Labels of the training part: {named}{more}."
    if read.empty:
        yield f"{count(read.empty, 'row')} without text left out."
    if read.collected.cut:
        longest = read.collected.config.max_length
        cut, units = read.collected.cut, read.collected.config.units
        yield f"{count(cut, 'text')} cut to {longest:,} {units}."
    if read.repeated:
        what = "left out of training" if dropped else "to leave them out: --drop-duplicates"
        yield (
            f"{count(read.repeated, 'text')} of the training part also stand in a held-out part; "
            f"{what}."
        )
