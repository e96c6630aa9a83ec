"""Labelling texts whose labels are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.rnn.encoder import Encoder
from charlm.tasks.classification.dataset import reread_dataset
from charlm.tasks.classification.evaluation import ClassificationEvaluation
from charlm.tasks.classification.reading import LABEL_COLUMNS, TEXT_COLUMNS
from charlm.tasks.classification.run import ClassificationRun
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.rows import Sources, find_column
from charlm.tasks.supervised.task import check_whole, part_to_score
from charlm.tasks.supervised.texts import encode_texts
from charlm.tasks.supervised.training import all_outputs
from charlm.text.splits import count


def evaluate_labels(
    run: ClassificationRun,
    model: Encoder,
    source: Any,
    split: str | None,
    threshold: float | None,
    encoding: str | None = None,
) -> ClassificationEvaluation:
    """Label texts whose labels are known.

    Args:
        threshold: see `given_labels`.
        source: a table, in any of its forms; None is the run's own data.
        split: train, val or test of the run's own; by default what was held out.
        encoding: of the source; by default that of the run's data.

    Raises:
        CorpusError: no such columns, or nothing to label.
        SettingError: a split of data that are not the run's.
    """
    notes: tuple[str, ...] = ()
    if source is None:
        data = reread_dataset(run, None)
        split = part_to_score(data, split)
        sequences, targets = data.part(split)
        name = data.name
    else:
        check_whole(split)
        name, sequences, targets, notes = read_table(run, source, encoding)
        split = "all"
    outputs = all_outputs(model, sequences)
    kept = run.baselines
    said = kept.logs(sequences, run.vocabulary) if kept else {}
    return ClassificationEvaluation(
        name,
        split,
        outputs,
        targets,
        run.labels.names,
        notes,
        run.temperature,
        threshold,
        said,
    )


def read_table(
    run: ClassificationRun, source: Any, encoding: str | None
) -> tuple[str, Sequences, npt.NDArray[np.int64], tuple[str, ...]]:
    """The texts and labels of a table that is not the run's, and what to know of it."""
    config = run.classification
    config = replace(config, encoding=encoding or config.encoding)
    table = Sources.open(source, config).main
    text_column = find_column(table, config.text_column, TEXT_COLUMNS, "--text-column")
    label_column = find_column(table, config.label_column, LABEL_COLUMNS, "--label-column")
    numbers = {name: number for number, name in enumerate(run.labels.names)}
    rows = [(row[text_column], row[label_column]) for row in table]
    encoded = list(encode_texts((text for text, _ in rows), run.vocabulary, config))
    kept = [i for i, ids in enumerate(encoded) if len(ids)]
    if not kept:
        raise CorpusError(f"{table.name} has no texts.", "Give a table with some.")
    notes = list(table.notes)
    if len(kept) < len(rows):
        notes.append(f"{count(len(rows) - len(kept), 'row')} without text left out.")
    unknown = sorted({rows[i][1] for i in kept} - numbers.keys())
    if unknown:
        named = ", ".join(f"'{each}'" for each in unknown[:8])
        notes.append(f"Labels that '{run.name}' was not trained on, counted as wrong: {named}.")
    targets = np.array([numbers.get(rows[i][1], -1) for i in kept], dtype=np.int64)
    return table.name, Sequences.of(encoded[i] for i in kept), targets, tuple(notes)
