"""The run directory: the only reader and writer of what training leaves behind. No torch here.

    runs/<name>/
      run.json           what was trained on what, with which settings, and how it ended
      vocabulary.json
      corpus.txt         the text, only where it came from standard input and nowhere else
      metrics.jsonl      a row for each evaluation
      best/              model.safetensors: the weights that scored best
      last/              model.safetensors, training.safetensors, training.json: what resuming needs

A file or folder appears under its name only once it is whole and on the disk.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from charlm.commands import about_run, command
from charlm.errors import RunError, suggestion
from charlm.files import (
    COPY_AGAIN,
    Arrays,
    load_arrays,
    read,
    replace_folder,
    save_arrays,
    whole_folder,
    write,
    writing,
)
from charlm.folders import runs_folder as runs_folder
from charlm.record import Record
from charlm.run_names import check_free, check_name
from charlm.text.vocabulary import Vocabulary


class RunDirectory:
    """One run on the disk.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path, record: Record, vocabulary: Vocabulary) -> None:
        self.path = path
        self.record = record
        self.vocabulary = vocabulary

    @property
    def name(self) -> str:
        return self.path.name

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
        check_free(folder, record.name)
        path = folder / record.name
        with writing(folder, "Choose another folder with --runs-dir or CHARLM_RUNS_DIR."):
            folder.mkdir(parents=True, exist_ok=True)

            def fill(draft: Path) -> None:
                write(draft / "run.json", record.to_json())
                write(draft / "vocabulary.json", vocabulary.to_json())
                write(draft / "metrics.jsonl", "")
                if text is not None:
                    write(draft / "corpus.txt", text)

            replace_folder(path, fill)
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
                f"'{path / 'vocabulary.json'}' has {len(vocabulary)} entries where the model has "
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

    # Weights and training state

    def save_best(self, weights: Arrays) -> None:
        with writing(self.path, self.once_mended):
            replace_folder(self.path / "best", lambda draft: save_arrays(draft / "model", weights))

    def save_last(self, weights: Arrays, tensors: Arrays, scalars: Mapping[str, Any]) -> None:
        def fill(draft: Path) -> None:
            save_arrays(draft / "model", weights)
            save_arrays(draft / "training", tensors)
            write(draft / "training.json", json.dumps(scalars, indent=1))

        with writing(self.path, self.once_mended):
            replace_folder(self.path / "last", fill)

    def load_weights(self) -> Arrays:
        """The best weights, or the last ones where none were evaluated yet.

        Raises:
            RunError: there are none, or they are damaged.
        """
        found = whole_folder(self.path / "best") or whole_folder(self.path / "last")
        if found is None:
            raise RunError(
                f"The run '{self.name}' has no weights yet.",
                "If nothing trains it any more, delete it "
                f"({about_run(self.path, 'runs', 'delete')}) and train anew.",
            )
        return load_arrays(found / "model")

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
        return load_arrays(path / "model"), load_arrays(path / "training"), scalars

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
            file.write(json.dumps(row) + "\n")
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
        with writing(self.path, self.once_mended):
            write(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept))


# Finding runs


def is_run(path: Path) -> bool:
    """Whether there is a run, be it damaged, in this folder."""
    try:
        return (path / "run.json").exists()
    except OSError:
        # No name for a file, or a folder that cannot be entered.
        return False


def list_runs(folder: Path) -> Iterator[RunDirectory | RunError]:
    """The runs of a folder, newest first, then what is wrong with those that cannot be read."""
    runs: list[RunDirectory] = []
    damaged: list[RunError] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if is_run(path) and not path.name.startswith("."):
            try:
                runs.append(RunDirectory.open(path))
            except RunError as error:
                damaged.append(error)
    yield from sorted(runs, key=lambda run: run.record.created, reverse=True)
    yield from damaged


def find_run(name: str | Path | None = None, folder: str | Path | None = None) -> RunDirectory:
    """The run of this name, or at this path, or the newest one.

    Raises:
        RunError: there is none, or it cannot be read.
        UsageError: the name is no run's name.
    """
    where = runs_folder(folder)
    if name is None:
        for run in list_runs(where):
            if isinstance(run, RunDirectory):
                return run
        raise RunError(
            f"There is no run in '{where}' yet.", f"Make one: {command('train', folder=where)}"
        )
    if is_run(Path(name)):
        return RunDirectory.open(Path(name))
    check_name(str(name))
    path = where / str(name)
    if not path.is_dir():
        known = [each.name for each in list_runs(where) if isinstance(each, RunDirectory)]
        make_one = f"Make one: {command('train', folder=where, run=name)}"
        hint = suggestion(dict.fromkeys(known), str(name)) if known else make_one
        raise RunError(f"There is no run called '{name}' in '{where}'.", hint)
    return RunDirectory.open(path)


def run_to_delete(name: str, folder: str | Path | None = None) -> Path:
    """The folder of a run, which may be damaged.

    Raises:
        RunError: there is none.
    """
    path = Path(name) if is_run(Path(name)) else runs_folder(folder) / name
    if not is_run(path):
        return find_run(name, folder).path
    return path


def delete_run(path: Path) -> None:
    """Delete a run's folder and all that is in it."""
    with writing(path, "See to its permissions, or delete the folder by hand."):
        shutil.rmtree(path)
