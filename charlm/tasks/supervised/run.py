"""What the runs of encoders have in common."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

from charlm.config import EncoderConfig
from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.whole import COPY_AGAIN, Arrays
from charlm.rnn.weights import check_shapes, encoder_shapes
from charlm.runs.directory import RunDirectory
from charlm.tables.table import Table
from charlm.tasks.supervised.settings import TableConfig
from charlm.text.splits import count
from charlm.text.vocabulary import Vocabulary

DATA, VOCABULARY = "data.jsonl", "vocabulary.json"
# In data.jsonl, the column that says which part a row belongs to.
PART = "part of the run"


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
        _ = self.record.corpus["sha256"], self.record.corpus["source"]

    def check_weights(self, weights: Arrays) -> Arrays:
        shapes = {name: each.shape for name, each in weights.items()}
        check_shapes(encoder_shapes(cast("EncoderConfig", self.settings.model)), shapes)
        return super().check_weights(weights)


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
    stored = run.read_file(DATA)
    if source is None and stored is not None:
        rows = [json.loads(line) for line in stored.splitlines()]
        copied = replace(config, **run.settings_of_copy)
        return read(Table.of(rows, about["name"]), copied, seed)
    found = read(about["source"] if source is None else source, config, seed)
    if found.sha256 != about["sha256"]:
        raise RunError(
            f"The rows that '{run.name}' was trained on have changed since.",
            f"Put them back, or name where they are: {run.resume_command} FILE",
        )
    return found
