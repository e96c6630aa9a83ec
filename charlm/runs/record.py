"""What `run.json` says."""

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
    """What `run.json` says.

    Args:
        task: what the model was trained for, by its name in the registry of tasks.
        backend: what trained it; any other can load it.
        parameters: how many numbers the model has learned.
        corpus: what it was trained on, as the task describes it.
        splits: of that, by name, as the task describes them.
        data, model, train: the settings, by name.
        parent: name of the run that it started from.
        status: "running" until it ends, then "done", "patience", "interrupted", "diverged", or
            "failed" where an error ended it.
        result: how it ended: split, score, baselines (filled in at the end).
        created: when, ISO 8601, UTC.
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
    status: str = "running"
    result: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def from_json(cls, content: str, path: Path) -> "Record":
        """The inverse of `to_json`.

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
    """That a file is not what charlm writes."""
    return RunError(f"'{path}' is damaged, or was not written by charlm ({why}).", COPY_AGAIN)


def check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise TypeError or KeyError unless each of the values named by `types` is of its type."""
    for name, kind in types.items():
        if not fits(values[name], kind):
            raise TypeError(f"{name} cannot be {values[name]!r}")
