"""What a file says of the run that it comes from. Nothing in it is a path."""

from typing import Any

from charlm.files import strict_json
from charlm.runs.directory import RunDirectory
from charlm.tasks.comparison import scored
from charlm.tasks.registry import task_of
from charlm.version import __version__

# Settings that name files of the machine where the run was trained.
FILES = ("val", "test", "pretrained_vectors")


def metadata(run: RunDirectory) -> dict[str, str]:
    """The run in words and JSON, as files keep it beside weights: a string for each name.

    Among them are `model`, `train` and `data`, the settings, and what the task says of the numbers
    that the model takes and gives, such as `vocabulary`, a list by id, and `normalization`.
    """
    record, task = run.record, task_of(run)
    data = {name: value for name, value in record.data.items() if name not in FILES}
    values: dict[str, Any] = {
        "run": run.name,
        "task": record.task,
        "created": record.created,
        "charlm": __version__,
        "text": record.corpus["name"],
        **provenance(run),
        "score": held_out(run),
        "model": record.model,
        "train": record.train,
        "data": data,
        **task.meanings(run),
    }
    return {name: as_string(value) for name, value in values.items() if value is not None}


def as_string(value: Any) -> str:
    """A string as it is, anything else as JSON; either can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return strict_json.dumps(value, ensure_ascii=True)


def provenance(run: RunDirectory) -> dict[str, str]:
    """Title, licence and source of the text, where the catalog knows them."""
    known = getattr(run, "catalog_entries", [])
    return {
        name: "; ".join(getattr(entry, name) for entry in known)
        for name in ("title", "licence", "source")
        if known
    }


def held_out(run: RunDirectory) -> dict[str, Any] | None:
    """The figures of the held-out score by name, with its split; None if there is none."""
    found = scored(run)
    if found is None:
        return None
    values = found.score.to_json()
    figures = {each.key: values[each.key] for each in found.score.figures if each.key in values}
    return {"split": found.split, **figures}
