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
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from charlm.config import Config, DataConfig, ModelConfig, TrainConfig, UnknownSettingError
from charlm.errors import CharlmError, RunError, look_up
from charlm.files import disk, strict_json
from charlm.files.reading import COPY_AGAIN, Shapes, open_regular, read
from charlm.files.schema import Count, check, suits
from charlm.files.whole import (
    Arrays,
    create_folder,
    finish_in,
    replace_folder,
    safetensors_content,
    whole_folder,
    write,
    writing,
)
from charlm.presets import Settings
from charlm.rnn.weights import GATES, to_finite_float32
from charlm.runs.commands import command
from charlm.runs.kept_files import KeptFiles, load_what_fits
from charlm.runs.links import check_links
from charlm.runs.locks import is_locked
from charlm.runs.metrics import usable
from charlm.runs.names import NameTakenError, check_free
from charlm.runs.record import Record, misunderstood
from charlm.runs.versions import from_newer, is_newer

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
        """The record's status, unless that is "running" and no process is known to train the run.

        Then it is "stopped", or "running?" where nobody can tell: see `charlm.runs.locks`.
        """
        if self.record.status != "running":
            return self.record.status
        return {True: "running", False: "stopped", None: "running?"}[is_locked(self.path)]

    @property
    def parent_path(self) -> Path | None:
        """Where the run lay that this one started from; None if it started from none."""
        record = self.record
        if record.parent is None:
            return None
        return Path(record.parent_path or self.path.resolve().parent / record.parent)

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
        texts = {"run.json": record.to_json(), **files, "metrics.jsonl": ""}
        with writing(folder, ANOTHER_FOLDER):
            disk.make_folders(folder)
            try:
                create_folder(path, ((name, to_bytes(content)) for name, content in texts.items()))
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
        check_links(path)
        return cls(path, Record.from_json(read(path / "run.json"), path / "run.json"))

    def check(self) -> None:
        """Raise RunError unless the record and the task's files are valid."""
        file = self.path / "run.json"
        try:
            self.check_contents()
        except UnknownSettingError as error:
            raise from_newer(file, vars(self.record), str(error).rstrip(".")) from None
        except RunError as error:
            if is_newer(vars(self.record)):
                raise misunderstood(file, vars(self.record), error.message) from None
            raise
        except (LookupError, TypeError, ValueError, CharlmError) as error:
            raise misunderstood(file, vars(self.record), error) from None

    def check_contents(self) -> None:
        """Access all that the task needs; subclasses add to it. Any error means damage."""
        look_up(GATES, self.settings.model.cell, "cell")

    def check_shapes(self, shapes: Shapes) -> None:
        """Raise RunError unless these are the names and shapes of the model's weights."""

    def check_weights(self, weights: Arrays) -> Arrays:
        """Check weights that were loaded, and return them in float32.

        Raises:
            RunError: these cannot be the weights of this run's model.
        """
        self.check_shapes({name: each.shape for name, each in weights.items()})
        return to_finite_float32(weights)

    def update(self, **changes: Any) -> None:
        """Change fields of the record, on disk and then in memory."""
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "run.json", replace(self.record, **changes).to_json())
        for name, value in changes.items():
            setattr(self.record, name, value)

    def finish_writing(self) -> None:
        """Finish or undo what a killed process was writing; only whoever has the run's lock may."""
        with writing(self.path, self.advice_when_unwritable):
            finish_in(self.path)

    # Weights and training state

    def save_best(self, weights: Arrays) -> None:
        """Replace the weights that scored best."""
        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "best", weight_files(model=weights))

    def save_last(self, weights: Arrays, tensors: Arrays, scalars: Mapping[str, Any]) -> None:
        """Replace the state that training resumes from."""

        def files() -> Iterator[tuple[str, bytes]]:
            yield from weight_files(model=weights, training=tensors)
            yield "training.json", to_bytes(strict_json.dumps(scalars, indent=1))

        with writing(self.path, self.advice_when_unwritable):
            replace_folder(self.path / "last", files())

    @property
    def can_resume(self) -> bool:
        """Whether there is a state that training resumes from; else a run begins again."""
        return whole_folder(self.path / "last") is not None

    def load_weights(self) -> Arrays:
        """Load the best weights, or the last ones if none were evaluated yet.

        Raises:
            RunError: the weights are missing, damaged, or not of this run's model.
        """
        found = whole_folder(self.path / "best") or whole_folder(self.path / "last")
        if found is None:
            raise RunError(
                f"The run '{self.name}' has no weights yet.",
                "If nothing trains it any more, train it from its beginning: "
                f"{self.resume_command}",
            )
        return self._weights(found)

    def _weights(self, folder: Path) -> Arrays:
        """Load and check the weights in `best` or `last`."""
        try:
            return self.check_weights(load_what_fits(folder / "model", self.check_shapes))
        except RunError as error:
            file = folder / "model.safetensors"
            if str(file) in error.message:
                raise
            raise RunError(f"'{file}' is damaged: {error.message}", COPY_AGAIN) from None

    def weights_sha256(self) -> str:
        """The hash of the file that `load_weights` reads.

        Raises:
            RunError: it cannot be read.
        """
        folder = whole_folder(self.path / "best") or self.path / "last"
        try:
            file, _ = open_regular(folder / "model.safetensors", sys.maxsize)
            with file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise RunError(
                f"The weights of '{self.name}' cannot be read: {error.strerror}."
            ) from None

    def load_last(self) -> tuple[Arrays, Arrays, dict[str, Any]]:
        """Load what `save_last` saved.

        Raises:
            RunError: it is missing or damaged.
        """
        path = whole_folder(self.path / "last") or self.path / "last"
        try:
            scalars = strict_json.loads(read(path / "training.json"))
            check(scalars, dict[str, Any], "the training state")
        except ValueError as error:
            raise RunError(f"'{path / 'training.json'}' is damaged: {error}.") from None
        return self._weights(path), load_what_fits(path / "training"), scalars

    # Metrics

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add the row of an evaluation, and wait until it is on disk."""
        with writing(self.path, self.advice_when_unwritable):
            disk.append_line(self.path / "metrics.jsonl", strict_json.dumps(row))

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of all evaluations, without lines that a crash left incomplete."""
        rows = []
        for line in read(self.path / "metrics.jsonl").split("\n"):
            try:
                row = strict_json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and suits(row.get("step"), Count):
                rows.append(usable(row))
        return rows

    def forget_metrics_after(self, step: int) -> None:
        """Drop the rows after a step that training goes back to."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        lines = "".join(strict_json.dumps(row) + "\n" for row in kept)
        with writing(self.path, self.advice_when_unwritable):
            write(self.path / "metrics.jsonl", lines)


def to_bytes(content: str) -> bytes:
    """A text as the run's files hold it."""
    return content.encode("utf-8", "surrogatepass")


def weight_files(**arrays: Arrays) -> Iterator[tuple[str, bytes]]:
    """Files of arrays, by their names without the suffix, each made when it is asked for."""
    for name, each in arrays.items():
        yield f"{name}.safetensors", safetensors_content(each, {})
