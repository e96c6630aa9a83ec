"""The record of a run, which is stored as `run.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict, get_type_hints

from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.reading import COPY_AGAIN
from charlm.files.schema import Count, Number, Scalar, check, quoted
from charlm.runs.versions import from_newer, is_newer, newer_format, older_format
from charlm.version import __version__

# The format is raised when a charlm that knows only the one before could misread a run. More
# settings and more entries do not raise it: whoever does not know them says that they are newer.
FORMAT, OLDEST_FORMAT = 1, 1
SPLITS = ("train", "val", "test")
# Settings by name, as they stand in a record; each task's classes know more of its own.
Values = dict[str, Scalar | list[str]]


class CorpusEntries(TypedDict):
    """What tasks say of their data, whose runs check the rest."""

    name: str
    source: NotRequired[list[str]]
    sha256: NotRequired[str]


class ModelEntries(TypedDict):
    """What every task says of its model. Its settings' class checks the rest."""

    cell: str
    hidden_size: Count
    num_layers: Count


class Comparison(TypedDict):
    """How the model did beside the best baseline: limits of an interval."""

    baseline: str
    interval: list[float]


class Result(TypedDict, total=False):
    """How training ended; as far as it came. Figures of the training loss have names of their own.

    Scores hold numbers by name, and null for one that is not finite.
    """

    seconds: float
    steps: Count
    split: str
    score: dict[str, Number]
    baselines: dict[str, dict[str, Number]]
    peak_memory: int | None
    temperature: float
    threshold: Number
    comparison: Comparison


class ScoredResult(TypedDict):
    """What a result needs once it has a score."""

    split: str
    score: dict[str, Number]
    baselines: dict[str, dict[str, Number]]


@dataclass
class Record:
    """The contents of `run.json`.

    Args:
        created: time of creation, ISO 8601, UTC.
        charlm, torch: versions that created the run.
        backend: backend that trained the model; any other can load it.
        parameters: number of the model's parameters.
        corpus: description of the data by the task.
        splits: start and stop of each split, by name.
        data, model, train: the settings, by name.
        task: name of the task in the registry.
        parent: name of the run that this one started from.
        parent_path: where that run lay.
        parent_sha256: hash of the file of weights that was loaded from it.
        preset: name of the preset that the settings began with; "" in older runs.
        given: settings given by name.
        threads: how many the user had named; None for as many as were fastest, and in older runs.
        processes: how many trained it together.
        changes: settings that changed where the run went on, by name, each time it did.
        status: "running" until training ends, then "done", "patience", "interrupted", "diverged",
            or "failed" if an error ended it.
        result: filled in at the end: split, score, baselines and others.
        written_by: the version that wrote the file last; "" in older runs.
    """

    name: str
    created: str
    charlm: str
    torch: str
    backend: str
    device: str
    parameters: Count
    corpus: dict[str, Any]
    splits: dict[str, list[Count]]
    data: dict[str, Any]
    model: dict[str, Any]
    train: dict[str, Any]
    task: str = "language-model"
    parent: str | None = None
    parent_path: str | None = None
    parent_sha256: str | None = None
    preset: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None
    processes: int = 1
    changes: list[dict[str, Any]] = field(default_factory=list)
    status: str = "running"
    result: dict[str, Any] = field(default_factory=dict)
    written_by: str = field(default="", compare=False)
    format: int = FORMAT

    @classmethod
    def from_json(cls, content: str, path: Path) -> "Record":
        """The inverse of `to_json`.

        Args:
            path: where the content was read, for error messages.

        Raises:
            RunError: the content is damaged or foreign, or another version's, which the sentence
                names.
        """
        values: Any = None
        try:
            values = strict_json.loads(content)
            check(values, dict[str, Any])
            check(values["format"], int, "format")
            if values["format"] > FORMAT:
                raise newer_format(path, values, FORMAT)
            if values["format"] < OLDEST_FORMAT:
                raise older_format(path, values, OLDEST_FORMAT)
            known = get_type_hints(cls, include_extras=True)
            if odd := sorted(values.keys() - known.keys()):
                raise from_newer(path, values, f"it says {quoted(odd[0])}")
            for name, value in values.items():
                check(value, known[name], name)
            record = cls(**values)
            check_record(record)
            return record
        except (LookupError, TypeError, ValueError) as error:
            raise misunderstood(path, values, error) from None

    def to_json(self) -> str:
        values = asdict(replace(self, written_by=__version__))
        return strict_json.dumps(values, indent=2) + "\n"


def check_record(record: Record) -> None:
    """Raise ValueError where the parts of a record cannot be."""
    for name in ("data", "model", "train", "given"):
        check(getattr(record, name), Values, name)
    check(record.changes, list[Values], "changes")
    check(record.corpus, CorpusEntries, "corpus")
    check(record.model, ModelEntries, "model")
    check(record.result, Result, "result")
    for name, span in record.splits.items():
        if name not in SPLITS or len(span) != 2 or span[0] > span[1]:
            raise ValueError(f"splits.{name[:60]} cannot be {quoted(span)}")
    if "comparison" in record.result and len(record.result["comparison"]["interval"]) != 2:
        raise ValueError("result.comparison.interval has two limits")


def misunderstood(path: Path, values: Any, why: object) -> RunError:
    """The error for a record, as far as it was read, that is damaged or of a newer charlm."""
    if is_newer(values):
        return from_newer(path, values, str(why).rstrip("."))
    return damaged(path, why)


def damaged(path: Path, why: object) -> RunError:
    """The error for a file that is not what charlm writes."""
    return RunError(f"'{path}' is damaged, or was not written by charlm ({why}).", COPY_AGAIN)


def check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise KeyError or ValueError unless `values` has every name in `types`, with that type."""
    for name, kind in types.items():
        check(values[name], kind, name)
