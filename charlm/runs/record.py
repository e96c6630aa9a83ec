"""The record of a run, which is stored as `run.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from charlm.config import fits
from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.whole import COPY_AGAIN

FORMAT = 1


@dataclass
class Record:
    """The contents of `run.json`.

    Args:
        created: time of creation, ISO 8601, UTC.
        charlm, torch: versions that created the run.
        backend: backend that trained the model; any other can load it.
        parameters: number of the model's parameters.
        corpus: description of the data by the task.
        splits: start and stop of each split, by name.
        data, model, train: the settings, by name.
        task: name of the task in the registry.
        parent: name of the run that this one started from.
        parent_path: where that run lay.
        parent_sha256: hash of the file of weights that was loaded from it.
        preset: name of the preset that the settings began with; "" in older runs.
        given: settings given by name.
        threads: how many the user had named; None for as many as were fastest, and in older runs.
        changes: settings that changed where the run went on, by name, each time it did.
        status: "running" until training ends, then "done", "patience", "interrupted", "diverged",
            or "failed" if an error ended it.
        result: filled in at the end: split, score, baselines and others.
    """

    name: str
    created: str
    charlm: str
    torch: str
    backend: str
    device: str
    parameters: int
    corpus: dict[str, Any]
    splits: dict[str, list[int]]
    data: dict[str, Any]
    model: dict[str, Any]
    train: dict[str, Any]
    task: str = "language-model"
    parent: str | None = None
    parent_path: str | None = None
    parent_sha256: str | None = None
    preset: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    status: str = "running"
    result: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def from_json(cls, content: str, path: Path) -> "Record":
        """The inverse of `to_json`.

        Args:
            path: where the content was read, for error messages.

        Raises:
            RunError: the content is damaged, foreign, or of a newer format.
        """
        try:
            values = json.loads(content)
            version = values["format"]
            if version > FORMAT:
                raise RunError(
                    f"'{path}' was written by a newer charlm (format {version}, here {FORMAT}).",
                    "Upgrade charlm to use this run.",
                )
            record = cls(**values)
            check_types(vars(record), get_type_hints(cls))
            return record
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, error) from None

    def to_json(self) -> str:
        return strict_json.dumps(asdict(self), indent=2) + "\n"


def damaged(path: Path, why: object) -> RunError:
    """The error for a file that is not what charlm writes."""
    return RunError(f"'{path}' is damaged, or was not written by charlm ({why}).", COPY_AGAIN)


def check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise KeyError or TypeError unless `values` has every name in `types`, with that type."""
    for name, kind in types.items():
        if not fits(values[name], kind):
            raise TypeError(f"{name} cannot be {values[name]!r}")
