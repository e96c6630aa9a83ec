"""What `run.json` says."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from charlm.config import DataConfig, ModelConfig, TrainConfig, fits
from charlm.errors import CharlmError, RunError, look_up
from charlm.files import strict_json
from charlm.files.whole import COPY_AGAIN
from charlm.presets import Settings
from charlm.text.normalize import NORMALIZATIONS
from charlm.text.splits import Splits

FORMAT = 1
CORPUS = {
    "name": str,
    "source": list,
    "normalization": str,
    "sha256": str,
    "text_sha256": str,
    "lossless": bool,
    "characters": int,
}


@dataclass
class Record:
    """What `run.json` says.

    Args:
        task: what the model does with a text.
        backend: what trained it; any other can load it.
        corpus: as CORPUS says: how to find the text again, and how to know it. Newer runs also say
            `characters_sha256` and `beginning_sha256` (see `charlm.runs.evaluation_text`).
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

    @property
    def settings(self) -> Settings:
        return Settings(
            DataConfig.from_json(self.data),
            ModelConfig.from_json(self.model),
            TrainConfig.from_json(self.train),
        )

    @property
    def spans(self) -> Splits:
        return Splits(**{name: (start, stop) for name, (start, stop) in self.splits.items()})

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
            check_types(record.corpus, CORPUS)
            look_up(NORMALIZATIONS, record.corpus["normalization"], "normalization")
            _ = record.settings, record.spans, record.model["vocabulary_size"]
            return record
        except RunError:
            raise
        except (LookupError, TypeError, ValueError, RecursionError, CharlmError) as error:
            raise RunError(
                f"'{path}' is damaged, or was not written by charlm ({error}).",
                COPY_AGAIN,
            ) from None

    def to_json(self) -> str:
        return strict_json.dumps(asdict(self), indent=2) + "\n"


def check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise TypeError or KeyError unless each of the values named by `types` is of its type."""
    for name, kind in types.items():
        if not fits(values[name], kind):
            raise TypeError(f"{name} cannot be {values[name]!r}")
