"""A training that takes a second, with several checkpoints, and what its run comes to on disk."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEXT = "the time traveller smiled round at us. then, still smiling faintly, he went out. " * 6
NAME = "k"
SETTINGS = {
    "hidden_size": 6,
    "embedding_size": 3,
    "batch_size": 3,
    "seq_length": 5,
    "precision": "fp32",
    "weight_drop": 0.3,
    "max_steps": 9,
    "eval_every": 3,
}
# What no two trainings have in common.
BY_THE_CLOCK = {
    "seconds",
    "evaluated_seconds",
    "characters_per_second",
    "created",
    "peak_memory",
    "source",
}


def write_text(folder: Path, text: str = TEXT) -> Path:
    """The text that is trained on, as a file in this folder."""
    path = folder / "book.txt"
    path.write_text(text, encoding="utf-8")
    return path


def options(**settings: Any) -> list[str]:
    """Settings as options of `charlm train`; by default those above."""
    chosen = {**SETTINGS, **settings}
    return [w for name, v in chosen.items() for w in (f"--{name.replace('_', '-')}", str(v))]


def digest(run: Path) -> dict[str, str]:
    """What is in a run's folder, file by file, without what depends on the clock.

    Raises:
        OSError, ValueError: something is missing, or half there.
    """
    return {
        str(path.relative_to(run)): hashlib.sha256(without_clock(path)).hexdigest()[:16]
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


def without_clock(path: Path) -> bytes:
    """A file's content without what depends on the clock."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(timeless(json.loads(content)), sort_keys=True).encode()
    if path.suffix == ".jsonl":
        rows = [timeless(json.loads(line)) for line in content.splitlines()]
        return json.dumps(rows, sort_keys=True).encode()
    return content


def timeless(value: Any) -> Any:
    """A value of JSON without what depends on the clock."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in BY_THE_CLOCK}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def temporary(folder: Path) -> list[str]:
    """Files and folders below this one that are none to stay."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


def problems(folder: Path, complete: Path) -> Iterator[str]:
    """What is wrong with the run in this folder of runs, if there is one.

    Whether it is listed, its best and last weights load, and its rows are those that the complete
    run has, as far as they go.
    """
    from charlm.errors import CharlmError
    from charlm.runs.directory import RunDirectory
    from charlm.tasks.registry import list_runs
    from charlm.training.state import Snapshot

    for run in list_runs(folder):
        if not isinstance(run, RunDirectory):
            yield f"not listed: {run}"
            continue
        wanted = [timeless(row) for row in RunDirectory.open(complete).metrics()]
        rows = [timeless(row) for row in run.metrics()]
        if rows != wanted[: len(rows)]:
            yield f"rows that never were: {rows}"
        try:
            if run.can_resume:
                Snapshot.from_arrays(*run.load_last())
                run.load_weights()
            elif (run.path / "best").exists():
                run.load_weights()
        except CharlmError as error:
            yield f"does not load: {error}"
