"""Calibration: a temperature τ, and the weight w of an n-gram model, chosen on held-out text.

p(c | h) = (1 - w) softmax(z / τ)_c + w p_n-gram(c | h), where z are the network's logits; τ as in
Guo et al. 2017 ("On Calibration of Modern Neural Networks"), w as in Jelinek & Mercer 1980.
"""

from collections.abc import Iterable
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.progress import ProgressCallback, ignore_progress
from charlm.scoring.adjusted import Calibrated, Choice
from charlm.scoring.baselines import MOST_TOKENS, ngram_probabilities
from charlm.scoring.exact import log_probabilities
from charlm.text.mapped_ids import TokenIds
from charlm.text.vocabulary import Ids

ORDER = 6
# The grid to choose from. Scores of neighbours differ by less than a thousandth of a bit.
TEMPERATURES = np.geomspace(0.5, 2, 57).round(3)
WEIGHTS = (np.linspace(0, 1, 41) ** 2).round(4)


Floats = npt.NDArray[np.float64]


def nats_by_choice(
    pieces: Iterable[Tensor],
    ids: Ids,
    ngram: Floats,
    temperatures: Floats,
    weights: Floats,
    cut: int = 0,
) -> Floats:
    """Total nats for every τ and w, of the first `cut` predicted tokens and of the rest.

    Args:
        pieces: from `charlm.scoring.exact.log_probabilities`.
        ids: (tokens,); the first is not predicted.
        ngram: probability of each id in the n-gram model, (tokens,).
        temperatures: values of τ.
        weights: values of w.

    Returns:
        (2, temperatures, weights).
    """
    nats = np.zeros((2, len(temperatures), len(weights)))
    w = torch.from_numpy(weights)
    start = 1
    for piece in pieces:
        z, stop = piece.cpu(), start + len(piece)
        there = torch.from_numpy(ids[start:stop].astype(np.int64)).unsqueeze(1)
        scaled = [
            (z.gather(1, there) / tau)[:, 0] - torch.logsumexp(z / tau, 1)
            for tau in temperatures.tolist()
        ]
        p = torch.stack(scaled, 1).double().exp().unsqueeze(2)
        other = torch.from_numpy(ngram[start:stop])[:, None, None]
        each = -torch.log((1 - w) * p + w * other)
        first = min(max(cut + 1 - start, 0), len(piece))
        nats[0] += each[:first].sum(0).numpy()
        nats[1] += each[first:].sum(0).numpy()
        start = stop
    return nats


def best_choice(nats: Floats) -> Choice:
    """The choice with the fewest nats, which are given for the grid, (temperatures, weights)."""
    row, column = np.unravel_index(np.argmin(nats), nats.shape)
    return Choice(float(TEMPERATURES[row]), float(WEIGHTS[column]))


def nats_of_model(
    model: LanguageModel,
    ids: Ids,
    train: TokenIds,
    report: ProgressCallback,
    choice: Choice | None = None,
    cut: int = 0,
) -> Floats:
    """`nats_by_choice` for a model and an n-gram model of `train`: one choice, or the grid."""
    tau = TEMPERATURES if choice is None else np.array([choice.temperature])
    w = WEIGHTS if choice is None else np.array([choice.ngram_weight])
    counted = np.asarray(train[-MOST_TOKENS:])
    config = model.config
    ngram = ngram_probabilities(counted, ids, config.vocabulary_size, ORDER, config.document_id)
    with closing(log_probabilities(model, ids, report=report)) as pieces:
        return nats_by_choice(pieces, ids, ngram, tau, w, cut)


def choose(
    model: LanguageModel, val: Ids, train: TokenIds, report: ProgressCallback = ignore_progress
) -> Choice:
    """The choice that is best on `val`; the n-gram model counts `train`."""
    return best_choice(nats_of_model(model, val, train, report).sum(0))


def score_with(
    model: LanguageModel,
    ids: Ids,
    train: TokenIds,
    choice: Choice,
    report: ProgressCallback = ignore_progress,
) -> Calibrated:
    """The score of a text with a choice that was made on another text."""
    nats = nats_of_model(model, ids, train, report, choice)
    return Calibrated(float(nats.sum()), ORDER, choice)


def cross_fit(
    model: LanguageModel, ids: Ids, train: TokenIds, report: ProgressCallback = ignore_progress
) -> Calibrated:
    """The score of a text, each half of it with the choice that is best on the other half.

    Raises:
        UsageError: the text is too short to be halved.
    """
    if len(ids) < 3:
        raise UsageError("The text is too short to be halved.", "Leave out --calibrate.")
    nats = nats_of_model(model, ids, train, report, cut=(len(ids) - 1) // 2)
    choices = best_choice(nats[1]), best_choice(nats[0])
    total = sum(half.flat[np.argmin(other)] for half, other in zip(nats, nats[::-1], strict=True))
    return Calibrated(float(total), ORDER, best_choice(nats.sum(0)), choices)
