"""Numbers for rows whose target nobody knows."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from charlm.errors import UsageError
from charlm.rnn.encoder import Encoder
from charlm.tables.table import Row
from charlm.tasks.regression.reading import inputs_of
from charlm.tasks.regression.run import RegressionRun
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.training import all_outputs

# Rows that are read before they are predicted together.
READ_TOGETHER = 4096


def predict(run: RegressionRun, model: Encoder, rows: Iterable[Row]) -> Iterator[float | None]:
    """The number of each row, in the target's units, in order, as they come.

    None for a row that lacks a value, unless the run fills these with means.

    Raises:
        CorpusError: a column is not there, or holds no number.
        UsageError: a row is no mapping.
    """
    scaler, number = run.scaler, 0
    rows = iter(rows)
    while piece := list(islice(rows, READ_TOGETHER)):
        inputs = []
        for row in piece:
            number += 1
            if isinstance(row, str):
                raise UsageError(
                    f"The run '{run.name}' predicts from columns of numbers, not from a text.",
                    "Give a table, or rows.",
                )
            cells = {name: str(value) for name, value in row.items()}
            inputs.append(inputs_of(cells, scaler.columns, "The table", number))
        array = np.array(inputs)
        lacking = np.isnan(array).any(1)
        outputs = all_outputs(model, Sequences(scaler.scale(array), np.arange(len(array) + 1)))
        values = scaler.unscale_target(outputs[:, 0]).tolist()
        fills = run.regression.missing == "mean"
        yield from (
            None if (lacks and not fills) or math.isnan(value) else value
            for lacks, value in zip(lacking.tolist(), values, strict=True)
        )
