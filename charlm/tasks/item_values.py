"""What the held-out score of a run is the mean of, item by item: computed once, and kept."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from charlm.files import strict_json
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
    found = run.kept(KEPT, key, ItemValues)
    if found is None:
        dataset = task_of(run).reread(run, None, None)
        found = dataset.item_values(make_model(), split, run, report)
        if found is not None:
            run.keep(KEPT, key, found)
    return found


def key_of(run: RunDirectory, split: str) -> str:
    """A hash of all that the values depend on."""
    record = run.record
    corpus = {name: value for name, value in record.corpus.items() if name != "source"}
    chosen = {name: record.result.get(name) for name in ("threshold", "temperature")}
    about = [split, record.splits, corpus, record.data, record.model, chosen]
    words = run.weights_sha256() + strict_json.dumps(about)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
