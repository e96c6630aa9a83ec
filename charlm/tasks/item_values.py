"""What the held-out score of a run is the mean of, item by item: computed once, and kept."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from charlm.errors import RunError
from charlm.files import strict_json
from charlm.files.whole import Arrays, whole_folder
from charlm.progress import ProgressCallback, ignore_progress
from charlm.runs.directory import RunDirectory
from charlm.scoring.intervals import ItemValues
from charlm.tasks.registry import task_of

if TYPE_CHECKING:
    from charlm.rnn.model import RecurrentModel

KEPT = "item-values"


def item_values(
    run: RunDirectory,
    split: str,
    make_model: "Callable[[], RecurrentModel]",
    report: ProgressCallback = ignore_progress,
) -> ItemValues | None:
    """The values of a split's items, as `Dataset.item_values` has them.

    They are kept in the run, which then needs neither its text nor its weights for them, until its
    weights or the split change.

    Args:
        make_model: loads the run's best weights.
        report: called with the items done and the total.

    Raises:
        CharlmError: the run's text is missing or has changed, or nothing can be said of items.
    """
    key = key_of(run, split)
    with suppress(RunError):  # Where the file is damaged, it is made anew.
        kept = run.parse_arrays(KEPT, lambda arrays: values_from(arrays, key))
        if kept is not None:
            return kept
    task = task_of(run)
    dataset = task.reread(run, None, None)
    found = dataset.item_values(make_model(), split, run, report)
    if found is not None:
        with suppress(RunError):  # A run that cannot be written is scored each time.
            run.write_arrays(KEPT, arrays_of(found, key))
    return found


def key_of(run: RunDirectory, split: str) -> str:
    """A hash of all that the values depend on."""
    record = run.record
    folder = whole_folder(run.path / "best") or run.path / "last"
    try:
        weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f"The weights of '{run.name}' cannot be read: {error.strerror}.") from None
    corpus = {name: value for name, value in record.corpus.items() if name != "source"}
    chosen = {name: record.result.get(name) for name in ("threshold", "temperature")}
    about = [weights, split, record.splits, corpus, record.data, record.model, chosen]
    return hashlib.sha256(strict_json.dumps(about).encode("utf-8", "surrogatepass")).hexdigest()


def arrays_of(values: ItemValues, key: str) -> Arrays:
    """As arrays, for a file."""
    groups = {} if values.groups is None else {"groups": values.groups}
    words = {"key": key, "item": values.item, "identity": values.identity}
    written = {name: np.frombuffer(word.encode(), np.uint8) for name, word in words.items()}
    return {"values": values.values, "series": np.array([values.series]), **written, **groups}


def values_from(arrays: Arrays, key: str) -> ItemValues:
    """The inverse of `arrays_of`.

    Raises:
        ValueError: they have another key, or are no values.
    """
    try:
        read = {name: arrays[name].tobytes().decode() for name in ("key", "item", "identity")}
        if read["key"] != key:
            raise ValueError("they are of other weights, or another split")
        values, series = arrays["values"], bool(arrays["series"][0])
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None
    return ItemValues(values, read["item"], read["identity"], series, arrays.get("groups"))
