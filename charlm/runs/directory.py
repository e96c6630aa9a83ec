"""The run directory: the only reader and writer of what training leaves behind. No torch here.

    runs/<name>/
      run.json           what was trained on what, with which settings, and how it ended
      …                  files of the task, such as a vocabulary
      metrics.jsonl      a row for each evaluation
      best/              model.safetensors: the weights that scored best
      last/              model.safetensors, training.safetensors, training.json: what resuming needs

A file or folder appears under its name only once it is whole and on the disk.
"""

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
from charlm.runs.locks import is_locked
from charlm.runs.names import NameTakenError, check_free
from charlm.runs.record import Record, damaged

ANOTHER_FOLDER = "Choose another folder with --runs-dir or CHARLM_RUNS_DIR."


class RunDirectory:
    """One run on the disk. A task whose runs keep more than this has a class of its own.

    Args:
        path: its folder.

    Attributes:
        data_config, model_config: what the record's settings are.
    """

    data_config: type[DataConfig] = DataConfig
    model_config: type[ModelConfig] = ModelConfig

    def __init__(self, path: Path, record: Record) -> None:
        # "." and ".." are no names; of a link it is the link's that counts.
        self.path = path.resolve() if path.name in ("", "..") else path
        self.record = record

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def sections(cls) -> dict[str, type[Config]]:
        """The kinds of its settings, by their names in the record."""
        return {"data": cls.data_config, "model": cls.model_config, "train": TrainConfig}

    @property
    def settings(self) -> Settings:
        """The record's."""
        return Settings(
            self.data_config.from_json(self.record.data),
            self.model_config.from_json(self.record.model),
            TrainConfig.from_json(self.record.train),
        )

    @property
    def status(self) -> str:
        """The record's, or "stopped" where it says "running" and no process trains it any more."""
        gone = self.record.status == "running" and is_locked(self.path) is False
        return "stopped" if gone else self.record.status

    @classmethod
    def create(cls, folder: Path, record: Record, files: Mapping[str, str]) -> Self:
        """A new run, whole from the first moment.

        Args:
            files: of the task, by name.

        Raises:
            UsageError: the name is taken or makes no folder name.
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
        """A run that is there, of whatever task.

        Raises:
            RunError: it is not, or its record is damaged or of a newer format.
        """
        if not path.is_dir():
            raise RunError(
                f"There is no run at '{path}'.",
                f"To see which there are: {command('runs', 'list', folder=path.parent)}",
            )
        return cls(path, Record.from_json(read(path / "run.json"), path / "run.json"))

    def check(self) -> None:
        """Raise RunError unless the record, and what else there is, is what the task needs."""
        try:
            self.check_contents()
        except RunError:
            raise
        except (LookupError, TypeError, ValueError, RecursionError, CharlmError) as error:
            raise damaged(self.path / "run.json", error) from None

    def check_contents(self) -> None:
        """Look at all that the task needs; whatever it raises means that it is damaged."""
        _ = self.settings

    def check_weights(self, weights: Arrays) -> Arrays:
        """The weights of this run's model, in float32.

        Raises:
            RunError: these cannot be its weights.
        """
        return to_finite_float32(weights)

    def update(self, **changes: Any) -> None:
        """Change fields of the record, on the disk too."""
        for name, value in changes.items():
            setattr(self.record, name, value)
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "run.json", self.record.to_json())

    def read_file(self, name: str) -> str | None:
        """A file of the task; None where there is none."""
        path = self.path / name
        return read(path) if path.exists() else None

    def write_file(self, name: str, content: str) -> None:
        """Keep a file of the task."""
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / name, content)

    # Weights and training state

    def save_best(self, weights: Arrays) -> None:
        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "best", lambda draft: save_arrays(draft / "model", weights))

    def save_last(self, weights: Arrays, tensors: Arrays, scalars: Mapping[str, Any]) -> None:
        def fill(draft: Path) -> None:
            save_arrays(draft / "model", weights)
            save_arrays(draft / "training", tensors)
            write(draft / "training.json", strict_json.dumps(scalars, indent=1))

        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "last", fill)

    def load_weights(self) -> Arrays:
        """The best weights, or the last ones where none were evaluated yet.

        Raises:
            RunError: there are none, or they are damaged, or not this model's.
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
        """The weights in `best` or `last`, in float32, which are all that the model has."""
        arrays = load_arrays(folder / "model")
        try:
            return self.check_weights(arrays)
        except RunError as error:
            file = folder / "model.safetensors"
            raise RunError(f"'{file}' is damaged: {error.message}", COPY_AGAIN) from None

    def load_last(self) -> tuple[Arrays, Arrays, dict[str, Any]]:
        """What `save_last` saved.

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

    @property
    def advice_when_unwritable(self) -> str:
        """What to do where the run cannot be written any more."""
        return f"Once it can be written, go on with it: {self.resume_command}"

    @property
    def resume_command(self) -> str:
        return run_command(self.path, "train", option="resume")

    # Metrics

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        with (
            writing(self.path, self.advice_when_unwritable),
            (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file,
        ):
            file.write(strict_json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of all evaluations; a line that a crash left unfinished is not one."""
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
        """Drop rows beyond a step that training goes back to."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        lines = "".join(strict_json.dumps(row) + "\n" for row in kept)
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "metrics.jsonl", lines)
