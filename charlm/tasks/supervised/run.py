"""What the runs of encoders have in common."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

from charlm.config import EncoderConfig
from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.reading import COPY_AGAIN, Shapes
from charlm.files.schema import Scalar, check
from charlm.rnn.weights import check_shapes, encoder_shapes
from charlm.runs.directory import RunDirectory
from charlm.runs.record import check_types
from charlm.runs.recorded import recorded_sources
from charlm.tables.table import Table
from charlm.tasks.supervised.settings import TableConfig
from charlm.text.splits import count
from charlm.text.vocabulary import Vocabulary

# Types of what run.json says of the rows.
CORPUS = {"name": str, "sha256": str, "source": list[str], "columns": list[str]}
DATA, VOCABULARY = "data.jsonl", "vocabulary.json"
# In data.jsonl, the column that says which part a row belongs to.
PART = "part of the run"
FIRST_PART = "part"  # so the first classifiers called it


class EncoderRun(RunDirectory):
    """The run of an encoder, trained on the rows of a table.

    data.jsonl         the rows, only if they cannot be read from their source again
    vocabulary.json    only if it reads texts
    """

    model_config = EncoderConfig

    @property
    def table_config(self) -> TableConfig:
        """How the run reads rows."""
        return cast("TableConfig", self.settings.data)

    @property
    def named_columns(self) -> dict[str, Any]:
        """Settings that say which columns of data.jsonl are which."""
        return {}

    @property
    def settings_of_copy(self) -> dict[str, Any]:
        """Settings that read data.jsonl, which says of each row what part it is in."""
        plain = {"split_column": PART, "test": None, "val": None, "folds": None, "fold": 1}
        return {**plain, **self.named_columns}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of the training part.

        Raises:
            RunError: it is missing or damaged, or not the model's.
        """
        vocabulary = self.parse_file(VOCABULARY, Vocabulary.from_json)
        size = self.record.model["vocabulary_size"]
        if len(vocabulary) != size or vocabulary.units != self.table_config.units:
            raise RunError(
                f"'{self.path / VOCABULARY}' has {count(len(vocabulary), 'entry', 'entries')} "
                f"where the model has {size}: it belongs to another run.",
                COPY_AGAIN,
            )
        return vocabulary

    def check_contents(self) -> None:
        """Settings, and where the rows are."""
        super().check_contents()
        check_types(self.record.corpus, CORPUS)

    def check_shapes(self, shapes: Shapes) -> None:
        """Raise RunError unless these are the names and shapes of the model's weights."""
        check_shapes(encoder_shapes(cast("EncoderConfig", self.settings.model)), shapes)


def copied_rows(run: EncoderRun, stored: str) -> list[dict[str, Any]]:
    """The rows of data.jsonl; RunError if they are damaged."""
    rows = []
    for number, line in enumerate(stored.splitlines(), 1):
        try:
            row = strict_json.loads(line)
            check(row, dict[str, Scalar])
        except ValueError as error:
            damage = f"'{run.path / DATA}' is damaged in line {number:,}: {error}."
            raise RunError(damage, COPY_AGAIN) from None
        rows.append(row)
    return rows


class HasDigest(Protocol):
    """Rows as a task reads them."""

    @property
    def sha256(self) -> str: ...


Read = TypeVar("Read", bound=HasDigest)


def as_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines, which `reread` reads."""
    return "".join(strict_json.dumps(row) + "\n" for row in rows)


def reread(
    run: EncoderRun,
    source: Any,
    read: Callable[[Any, Any, int], Read],
) -> Read:
    """Read the rows of a run again.

    Args:
        source: where they are now; None: where they were, or in the run itself.
        read: reads rows, given where they are, settings and a seed.

    Raises:
        RunError: they are not what they were.
    """
    about, config, seed = run.record.corpus, run.table_config, run.settings.train.seed
    stored = run.read_file(DATA, sys.maxsize)
    if source is None and stored is not None:
        rows, copied = copied_rows(run, stored), replace(config, **run.settings_of_copy)
        if rows and PART not in rows[0]:
            copied = replace(copied, split_column=FIRST_PART)
        return read(Table.of(rows, about["name"]), copied, seed)
    places = recorded_sources(run.path, about["source"]) if source is None else source
    found = read(places, config, seed)
    if found.sha256 != about["sha256"]:
        raise RunError(
            f"The rows that '{run.name}' was trained on have changed since.",
            f"Put them back, or name where they are: {run.resume_command} FILE",
        )
    return found
