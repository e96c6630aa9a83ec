"""What a regression learns from: rows, windows of a series or texts, and a number for each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charlm.tables.parts import Parts
from charlm.tasks.regression.reading import NumberRows
from charlm.tasks.regression.scaler import Scaler
from charlm.tasks.regression.series import windows_of
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.examples import Sequences
from charlm.text.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Sequences and the number of each.

    Args:
        values: in the target's units, (examples,).
        parts: of each.
        rows: where each number stands among the rows that were read, (examples,).
        groups: number of each row's group, (examples,), where a column says it; else None.
        last: of a series, the target's value at each window's last row, (examples,); else None.
    """

    sequences: Sequences
    values: Floats
    parts: Parts
    rows: Ids
    groups: Ids | None = None
    last: Floats | None = None

    def __getitem__(self, rows: "slice | Ids") -> "Examples":
        last = None if self.last is None else self.last[rows]
        groups = None if self.groups is None else self.groups[rows]
        mine = (self.sequences[rows], self.values[rows], self.parts[rows], self.rows[rows])
        return Examples(*mine, groups, last)

    def __len__(self) -> int:
        return len(self.sequences)


def examples_of(
    read: NumberRows, config: RegressionConfig, scaler: Scaler, vocabulary: Vocabulary | None
) -> Examples:
    """A row as one step, so many rows of a series as a window, or a text as its ids."""
    rows = np.arange(len(read.values))
    groups = None if read.groups is None else np.unique(read.groups, return_inverse=True)[1]
    if read.texts is not None and vocabulary is not None:
        every = read.texts.encode(read.texts.ordered(rows), vocabulary)
        return Examples(every, read.values, read.parts, rows, groups)
    steps = scaler.scale(read.inputs)
    if read.order is None or config.window is None:
        single = Sequences.of_single_steps(steps)
        return Examples(single, read.values, read.parts, rows, groups)
    unknown, holes = np.isnan(read.values), np.isnan(read.inputs).sum(1)
    lacking = holes > (len(read.columns) if config.missing == "mean" else 0)
    breaks = read.order.breaks | (np.diff(read.parts) != 0)
    starts = windows_of(breaks, lacking, unknown, config.window, config.horizon)
    targets = starts + config.window - 1 + config.horizon
    return Examples(
        Sequences(steps, starts, np.full(len(starts), config.window)),
        read.values[targets],
        read.parts[targets],
        targets,
        None if groups is None else groups[targets],
        read.values[starts + config.window - 1],
    )
