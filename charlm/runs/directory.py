"""The run directory: the only reader and writer of what training leaves behind. No torch here.

    runs/<name>/
      run.json           what was trained on what, with which settings, and how it ended
      vocabulary.json
      corpus.txt         the text, only where it can be read nowhere else again
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
from typing import Any

from charlm.errors import RunError
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
from charlm.rnn.weights import checked
from charlm.runs.commands import about_run, command
from charlm.runs.locks import is_locked
from charlm.runs.names import NameTakenError, check_free
from charlm.runs.record import Record
from charlm.text.splits import count
from charlm.text.vocabulary import Vocabulary

ANOTHER_FOLDER = "Choose another folder with --runs-dir or CHARLM_RUNS_DIR."


class RunDirectory:
    """One run on the disk.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path, record: Record, vocabulary: Vocabulary) -> None:
        # "." and ".." are no names; of a link it is the link's that counts.
        self.path = path.resolve() if path.name in ("", "..") else path
        self.record = record
        self.vocabulary = vocabulary

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def status(self) -> str:
        """The record's, or "stopped" where it says "running" and no process trains it any more."""
        gone = self.record.status == "running" and is_locked(self.path) is False
        return "stopped" if gone else self.record.status

    @classmethod
    def create(
        cls, folder: Path, record: Record, vocabulary: Vocabulary, text: str | None = None
    ) -> "RunDirectory":
        """A new run, whole from the first moment.

        Args:
            text: the corpus, if it can be had nowhere else.

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
                write(draft / "vocabulary.json", vocabulary.to_json())
                write(draft / "metrics.jsonl", "")
                if text is not None:
                    write(draft / "corpus.txt", text)

            try:
                create_folder(path, fill)
            except FileExistsError:
                raise NameTakenError(path) from None
        return cls(path, record, vocabulary)

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """A run that is there.

        Raises:
            RunError: it is not, or something in it is missing, damaged or of a newer format.
        """
        if not path.is_dir():
            raise RunError(
                f"There is no run at '{path}'.",
                f"To see which there are: {command('runs', 'list', folder=path.parent)}",
            )
        record = Record.from_json(read(path / "run.json"), path / "run.json")
        try:
            vocabulary = Vocabulary.from_json(read(path / "vocabulary.json"))
        except (ValueError, RecursionError) as error:
            raise RunError(
                f"'{path / 'vocabulary.json'}' is damaged ({error}).",
                COPY_AGAIN,
            ) from None
        if len(vocabulary) != record.model["vocabulary_size"]:
            raise RunError(
                f"'{path / 'vocabulary.json'}' has "
                f"{count(len(vocabulary), 'entry', 'entries')} where the model has "
                f"{record.model['vocabulary_size']}: it belongs to another run.",
                COPY_AGAIN,
            )
        return cls(path, record, vocabulary)

    def update(self, **changes: Any) -> None:
        """Change fields of the record, on the disk too."""
        for name, value in changes.items():
            setattr(self.record, name, value)
        with writing(self.path, self.once_mended):
            write(self.path / "run.json", self.record.to_json())

    @property
    def corpus_text(self) -> str | None:
        path = self.path / "corpus.txt"
        return read(path) if path.exists() else None

    def keep_text(self, text: str) -> None:
        """Keep a copy of the corpus."""
        with writing(self.path, self.once_mended):
            write(self.path / "corpus.txt", text)

    # Weights and training state

    def save_best(self, weights: Arrays) -> None:
        with writing(self.path, self.once_mended):
            replace_folder(self.path / "best", lambda draft: save_arrays(draft / "model", weights))

    def save_last(self, weights: Arrays, tensors: Arrays, scalars: Mapping[str, Any]) -> None:
        def fill(draft: Path) -> None:
            save_arrays(draft / "model", weights)
            save_arrays(draft / "training", tensors)
            write(draft / "training.json", strict_json.dumps(scalars, indent=1))

        with writing(self.path, self.once_mended):
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
                f"({about_run(self.path, 'runs', 'delete')}) and train anew.",
            )
        return self._weights(found)

    def _weights(self, folder: Path) -> Arrays:
        """The weights in `best` or `last`, in float32, which are all that the model has."""
        arrays = load_arrays(folder / "model")
        try:
            return checked(self.record.settings.model, arrays)
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
                f"Delete it ({about_run(self.path, 'runs', 'delete')}) and train anew.",
            )
        try:
            scalars = json.loads(read(path / "training.json"))
        except ValueError as error:
            raise RunError(f"'{path / 'training.json'}' is damaged: {error}.") from None
        return self._weights(path), load_arrays(path / "training"), scalars

    @property
    def once_mended(self) -> str:
        """What to do where the run cannot be written any more."""
        return f"Once it can be written, go on with it: {self.resume_command}"

    @property
    def resume_command(self) -> str:
        return about_run(self.path, "train", option="resume")

    # Metrics

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        with (
            writing(self.path, self.once_mended),
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
        with writing(self.path, self.once_mended):
            write(self.path / "metrics.jsonl", lines)
