"""Exact scoring: every character after the first, once, in order, with the state carried."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.machine.threads import tuned_threads
from charlm.progress import ProgressCallback, ignore_progress
from charlm.scoring.cross_entropy import CrossEntropy
from charlm.text.vocabulary import Ids

CHUNK = 1024  # characters in a forward pass

Surprise = npt.NDArray[np.float64]


@torch.no_grad()
def log_probabilities(
    model: LanguageModel,
    ids: Ids,
    should_stop: Callable[[], bool] = lambda: False,
    report: ProgressCallback = ignore_progress,
) -> Generator[Tensor, None, None]:
    """Log-probabilities of the whole vocabulary for each character after the first.

    Yields consecutive tensors (characters, V) on the model's device. The model starts from a zero
    state, without dropout, and computes in the precision of its weights.

    Args:
        ids: (characters,).
        should_stop: asked now and then; once it returns True, the iteration ends.
        report: called now and then with the number of characters done and the total.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with tuned_threads(device.type) as tuner:
            state = model.initial_state(1)
            for start in range(0, len(ids) - 1, CHUNK):
                if should_stop():
                    return
                started = time.perf_counter()
                with matmul_precision("fp32"):
                    logits, state = model(
                        to_column(device, ids[start : start + CHUNK + 1][:-1]), state
                    )
                tuner.record_step(len(logits), time.perf_counter() - started)
                report(start, len(ids) - 1)
                yield F.log_softmax(logits[:, 0], dim=1)
    finally:
        model.train(was_training)


def to_column(device: torch.device, ids: Ids) -> Tensor:
    """Ids of any integer type as a model's input: int64, (T, 1)."""
    return torch.from_numpy(ids.astype(np.int64)).to(device).unsqueeze(1)


def surprise_of_ids(pieces: Iterable[Tensor], ids: Ids) -> Surprise:
    """-ln p of each id after the first, in nats, as far as the pieces of log-probabilities go."""
    found, start = [np.empty(0)], 1
    for piece in pieces:
        there = to_column(piece.device, ids[start : start + len(piece)])[:, 0]
        found.append(F.nll_loss(piece, there, reduction="none").cpu().double().numpy())
        start += len(piece)
    return np.concatenate(found)


def surprise(
    model: LanguageModel, ids: Ids, report: ProgressCallback = ignore_progress
) -> Surprise:
    """-ln p of each character after the first given all before it, in nats, (characters - 1,).

    The arguments are those of `log_probabilities`.
    """
    with closing(log_probabilities(model, ids, report=report)) as pieces:
        return surprise_of_ids(pieces, ids)


def averaged(surprises: Sequence[Surprise]) -> Surprise:
    """-ln of the mean of several models' probabilities of the same characters, in nats."""
    mean: Surprise = np.log(len(surprises)) - np.logaddexp.reduce([-each for each in surprises])
    return mean


def score(
    model: LanguageModel, ids: Ids, should_stop: Callable[[], bool] = lambda: False
) -> CrossEntropy | None:
    """The cross-entropy of a text, summed in float64; None if `should_stop` ended it early."""
    with closing(log_probabilities(model, ids, should_stop)) as pieces:
        nats = surprise_of_ids(pieces, ids)
    whole = len(nats) == max(len(ids) - 1, 0)
    return CrossEntropy(float(nats.sum()), len(nats)) if whole else None
