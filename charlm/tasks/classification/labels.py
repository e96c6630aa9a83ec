"""Labels as they are written in a table, and as numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from charlm.errors import CorpusError
from charlm.tasks.classification.run import Labels


def labels_of(written: Sequence[str], name: str) -> Labels:
    """The labels of the training part, sorted.

    Raises:
        CorpusError: there are fewer than two.
    """
    counts = Counter(written)
    if len(counts) < 2:
        only = f"only the label '{next(iter(counts))}'" if counts else "no rows"
        raise CorpusError(
            f"The training part of {name} has {only}.", "Give texts of two labels or more."
        )
    names = tuple(sorted(counts))
    return Labels(names, tuple(counts[each] for each in names))


def numbers_of(
    written: Sequence[str], labels: Labels, splits: Mapping[str, Sequence[int]]
) -> npt.NDArray[np.int64]:
    """The labels as numbers, (texts,).

    Raises:
        CorpusError: a held-out part has a label that training has not.
    """
    numbers = {name: number for number, name in enumerate(labels.names)}
    if missing := sorted(set(written) - numbers.keys()):
        place = written.index(missing[0])
        part = next(name for name, (a, b) in splits.items() if a <= place < b)
        raise CorpusError(
            f"The label '{missing[0]}' stands in the {part} part only, and cannot be learned.",
            "Leave its rows out, or give the training part some.",
        )
    return np.array([numbers[each] for each in written], dtype=np.int64)
