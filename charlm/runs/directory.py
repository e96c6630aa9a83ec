"""The run directory: all reading and writing of what training leaves behind. No torch here.

    runs/<name>/
      run.json           settings, data, and how training ended
      …                  files of the task, such as a vocabulary
      metrics.jsonl      one row per evaluation
      best/              model.safetensors: the weights that scored best
      last/              model.safetensors, training.safetensors, training.json: what resuming needs

A file or folder appears under its name only once it is complete and on disk.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from charlm.config import Config, DataConfig, ModelConfig, TrainConfig
from charlm.errors import CharlmError, RunError
from charlm.files import strict_json
from charlm.files.whole import (
    COPY_AGAIN,
    Arrays,
    create_folder,
    load_arrays,
    read,
    replace_folder,
    save_arrays,
    whole_folder,
    write,
    writing,
)
from charlm.presets import Settings
from charlm.rnn.weights import to_finite_float32
from charlm.runs.commands import command, run_command
from charlm.runs.kept_files import KeptFiles
from charlm.runs.locks import is_locked
from charlm.runs.names import NameTakenError, check_free
from charlm.runs.record import Record, damaged

ANOTHER_FOLDER = "Choose another folder with --runs-dir or CHARLM_RUNS_DIR."


class RunDirectory(KeptFiles):
    """One run on disk. Tasks whose runs hold more files have a subclass.

    Args:
        path: folder of the run.
        record: contents of `run.json`.

    Attributes:
        data_config, model_config, train_config: classes of the settings in the record.
    """

    data_config: type[DataConfig] = DataConfig
    model_config: type[ModelConfig] = ModelConfig
    train_config: type[TrainConfig] = TrainConfig

    def __init__(self, path: Path, record: Record) -> None:
        # "." and ".." have no name of their own. A link is known by its own name.
        self.path = path.resolve() if path.name in ("", "..") else path
        self.record = record

    @classmethod
    def sections(cls) -> dict[str, type[Config]]:
        """Classes of the settings, by their names in the record."""
        return {"data": cls.data_config, "model": cls.model_config, "train": cls.train_config}

    @property
    def settings(self) -> Settings:
        """The settings in the record."""
        return Settings(
            self.data_config.from_json(self.record.data),
            self.model_config.from_json(self.record.model),
            self.train_config.from_json(self.record.train),
            preset=self.record.preset,
            given=self.record.given,
        )

    @property
    def status(self) -> str:
        """The record's status, or "stopped" if it says "running" but no process trains the run."""
        gone = self.record.status == "running" and is_locked(self.path) is False
        return "stopped" if gone else self.record.status

    @classmethod
    def create(cls, folder: Path, record: Record, files: Mapping[str, str]) -> Self:
        """Create a run, which appears on disk only once it is complete.

        Args:
            folder: folder of all runs.
            files: files of the task, content by name.

        Raises:
            UsageError: the name is taken, or is no valid folder name.
            RunError: the folder cannot be written.
        """
        record = replace(record, name=check_free(folder, record.name))
        path = folder / record.name
        with writing(folder, ANOTHER_FOLDER):
            folder.mkdir(parents=True, exist_ok=True)

            def fill(draft: Path) -> None:
                write(draft / "run.json", record.to_json())
                for name, content in files.items():
                    write(draft / name, content)
                write(draft / "metrics.jsonl", "")

            try:
                create_folder(path, fill)
            except FileExistsError:
                raise NameTakenError(path) from None
        return cls(path, record)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run, of any task.

        Raises:
            RunError: there is no run, or its record is damaged or of a newer format.
        """
        if not path.is_dir():
            raise RunError(
                f"There is no run at '{path}'.",
                f"To see which there are: {command('runs', 'list', folder=path.parent)}",
            )
        return cls(path, Record.from_json(read(path / "run.json"), path / "run.json"))

    def check(self) -> None:
        """Raise RunError unless the record and the task's files are valid."""
        try:
            self.check_contents()
        except RunError:
            raise
        except (LookupError, TypeError, ValueError, RecursionError, CharlmError) as error:
            raise damaged(self.path / "run.json", error) from None

    def check_contents(self) -> None:
        """Access all that the task needs; subclasses add to it. Any error means damage."""
        _ = self.settings

    def check_weights(self, weights: Arrays) -> Arrays:
        """Check weights that were loaded, and return them in float32.

        Raises:
            RunError: these cannot be the weights of this run's model.
        """
        return to_finite_float32(weights)

    def update(self, **changes: Any) -> None:
        """Change fields of the record, in memory and on disk."""
        for name, value in changes.items():
            setattr(self.record, name, value)
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "run.json", self.record.to_json())

    # Weights and training state

    def save_best(self, weights: Arrays) -> None:
        """Replace the weights that scored best."""
        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "best", lambda draft: save_arrays(draft / "model", weights))

    def save_last(self, weights: Arrays, tensors: Arrays, scalars: Mapping[str, Any]) -> None:
        """Replace the state that training resumes from."""

        def fill(draft: Path) -> None:
            save_arrays(draft / "model", weights)
            save_arrays(draft / "training", tensors)
            write(draft / "training.json", strict_json.dumps(scalars, indent=1))

        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "last", fill)

    def load_weights(self) -> Arrays:
        """Load the best weights, or the last ones if none were evaluated yet.

        Raises:
            RunError: the weights are missing, damaged, or not of this run's model.
        """
        found = whole_folder(self.path / "best") or whole_folder(self.path / "last")
        if found is None:
            raise RunError(
                f"The run '{self.name}' has no weights yet.",
                "If nothing trains it any more, delete it "
                f"({run_command(self.path, 'runs', 'delete')}) and train anew.",
            )
        return self._weights(found)

    def _weights(self, folder: Path) -> Arrays:
        """Load and check the weights in `best` or `last`."""
        arrays = load_arrays(folder / "model")
        try:
            return self.check_weights(arrays)
        except RunError as error:
            file = folder / "model.safetensors"
            raise RunError(f"'{file}' is damaged: {error.message}", COPY_AGAIN) from None

    def weights_sha256(self) -> str:
        """The hash of the file that `load_weights` reads.

        Raises:
            RunError: it cannot be read.
        """
        folder = whole_folder(self.path / "best") or self.path / "last"
        try:
            return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        except OSError as error:
            raise RunError(
                f"The weights of '{self.name}' cannot be read: {error.strerror}."
            ) from None

    def load_last(self) -> tuple[Arrays, Arrays, dict[str, Any]]:
        """Load what `save_last` saved.

        Raises:
            RunError: it is missing or damaged.
        """
        path = whole_folder(self.path / "last")
        if path is None:
            raise RunError(
                f"The run '{self.name}' stopped before anything was saved.",
                f"Delete it ({run_command(self.path, 'runs', 'delete')}) and train anew.",
            )
        try:
            scalars = json.loads(read(path / "training.json"))
        except ValueError as error:
            raise RunError(f"'{path / 'training.json'}' is damaged: {error}.") from None
        return self._weights(path), load_arrays(path / "training"), scalars

    # Metrics

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add the row of an evaluation, and wait until it is on disk."""
        with (
            writing(self.path, self.advice_when_unwritable),
            (self.path / "metrics.jsonl").open("a", encoding="utf-8", newline="\n") as file,
        ):
            file.write(strict_json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of all evaluations, without lines that a crash left incomplete."""
        rows = []
        for line in read(self.path / "metrics.jsonl").splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
        return rows

    def forget_metrics_after(self, step: int) -> None:
        """Drop the rows after a step that training goes back to."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        lines = "".join(strict_json.dumps(row) + "\n" for row in kept)
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "metrics.jsonl", lines)
