"""What `run.json` says."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from charlm.config import DataConfig, ModelConfig, TrainConfig
from charlm.errors import CharlmError, RunError
from charlm.presets import Settings
from charlm.text.splits import Splits

FORMAT = 1


@dataclass
class Record:
    """What `run.json` says.

    Args:
        task: what the model does with a text.
        backend: what trained it; any other can load it.
        corpus: name, source, normalization, sha256 and length in characters.
        parent: name of the run that it started from.
        status: "running" until it ends, then "done", "patience", "interrupted" or "diverged".
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
            _ = record.settings, record.spans
            return record
        except RunError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, CharlmError) as error:
            raise RunError(
                f"'{path}' is damaged, or was not written by charlm ({error}).",
                "Copy the run again from where it came, or delete it.",
            ) from None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
