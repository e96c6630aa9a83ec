"""How probable texts are that were written, and the best of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charlm.generation.engine import Engine
from charlm.generation.filters import log_probabilities
from charlm.generation.reading import Beginning
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids


def log_probability(
    engine: Engine,
    beginning: Beginning,
    texts: Sequence[Ids],
    report: ProgressCallback = ignore_progress,
) -> npt.NDArray[np.float64]:
    """ln p of each text after its beginning, (N,), as the model has it and `charlm.scoring` says.

    Args:
        beginning: of as many texts.
        texts: ids of each.
        report: called with how many ids of each were read, and with the most there are.
    """
    logits, state = beginning.logits, beginning.state
    rows, lengths = np.arange(len(texts)), np.array([len(each) for each in texts])
    total = np.zeros(len(texts))
    ids = np.zeros((max(lengths, default=0), len(texts)), dtype=np.int64)
    for row, each in enumerate(texts):
        ids[: len(each), row] = each
    for number, read in enumerate(ids):
        total += np.where(number < lengths, log_probabilities(logits)[rows, read], 0)
        logits, state = engine.step(read, state)
        report(number + 1, len(ids))
    return total


def most_probable(totals: npt.NDArray[np.float64], texts: Sequence[str], number: int) -> list[str]:
    """The texts of the highest log-probability a character, the best first; empty ones come last.

    Args:
        totals: ln p of each text.
        number: how many of them.
    """
    lengths = np.array([len(each) for each in texts])
    means = np.where(lengths > 0, totals / np.maximum(lengths, 1), -np.inf)
    return [texts[each] for each in np.argsort(-means, kind="stable")[:number]]
