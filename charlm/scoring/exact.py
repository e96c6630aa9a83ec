"""Exact scoring: every token after the first, once, in order, with the state carried.

Tokens are characters, words or bytes. Of a text that is made of documents, each is scored from a
state of zeros.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.config import ModelConfig
from charlm.distributed.world import ALONE, World
from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.machine.threads import tuned_threads
from charlm.progress import ProgressCallback, ignore_progress
from charlm.scoring.cross_entropy import SCORES, TokenCrossEntropy
from charlm.scoring.totals import Totals
from charlm.text.mapped_ids import TokenIds
from charlm.text.tokens import CHARACTERS
from charlm.text.vocabulary import Ids

CHUNK = 1024  # tokens in a forward pass
# Of documents side by side: tokens in a forward pass, and logits.
MOST_TOGETHER, MOST_LOGITS = 2**14, 2**23

Surprise = npt.NDArray[np.float64]


@torch.no_grad()
def log_probabilities(
    model: LanguageModel,
    ids: TokenIds,
    should_stop: Callable[[], bool] = lambda: False,
    report: ProgressCallback = ignore_progress,
    world: World = ALONE,
) -> Generator[Tensor, None, None]:
    """Log-probabilities of the whole vocabulary for each token after the first.

    Yields consecutive tensors (tokens, V) on the model's device. The model starts from a zero
    state, without dropout, and computes in the precision of its weights.

    Args:
        ids: (tokens,).
        should_stop: asked now and then; once it returns True, the iteration ends.
        report: called now and then with the number of tokens done and the total.
        world: the processes that share this: what another one computes is (tokens, 0) here.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    if model.config.document_id:
        pieces = documents(model, np.asarray(ids), world)
    else:
        pieces = running_text(model, ids, world)
    try:
        with tuned_threads(device.type) as tuner:
            done = 0
            while done < len(ids) - 1 and not should_stop():
                started = time.perf_counter()
                logits = next(pieces)
                tuner.record_step(len(logits), time.perf_counter() - started)
                report(done, len(ids) - 1)
                yield F.log_softmax(logits, dim=1)
                done += len(logits)
    finally:
        model.train(was_training)


def running_text(model: LanguageModel, ids: TokenIds, world: World = ALONE) -> Iterator[Tensor]:
    """The logits (tokens, V) of consecutive pieces of a text.

    The state is carried from its beginning to its end, so that of a piece that another process
    computes only the logits can be left out: (tokens, 0).

    Args:
        ids: (tokens,).
    """
    device, state = next(model.parameters()).device, model.initial_state(1)
    for number, start in enumerate(range(0, len(ids) - 1, CHUNK)):
        read = to_column(device, ids[start : start + CHUNK + 1][:-1])
        with matmul_precision("fp32"):
            _, dropped, state = model.hidden(read, state)
            logits = model.logits(dropped)[:, 0] if world.is_mine(number) else dropped[:, 0, :0]
        yield logits


def documents(model: LanguageModel, ids: Ids, world: World = ALONE) -> Iterator[Tensor]:
    """`running_text` for a text made of documents, of which many are read side by side.

    Each begins from a zero state with the mark that ends the one before it.
    """
    device = next(model.parameters()).device
    starts = document_starts(ids[:-1], model.config.document_id)
    stops = np.append(starts[1:], len(ids) - 1)
    most = max(CHUNK, min(MOST_TOGETHER, MOST_LOGITS // model.config.vocabulary_size))
    first = number = 0
    while first < len(starts):
        # As many documents as `most` tokens hold, padded to the longest; or one that is longer.
        longest = np.maximum.accumulate(stops[first:] - starts[first:])
        together = np.flatnonzero(longest * np.arange(1, len(longest) + 1) <= most)
        last = first + (int(together[-1]) + 1 if len(together) else 1)
        begin, end = int(starts[first]), int(stops[last - 1])
        if not world.is_mine(number):
            yield torch.empty(end - begin, 0, device=device)
        elif last == first + 1:
            yield from running_text(model, ids[begin : end + 1])
        else:
            lengths = stops[first:last] - starts[first:last]
            steps = np.arange(lengths.max())
            inside = steps < lengths[:, None]
            read = np.where(inside, ids[np.minimum(starts[first:last, None] + steps, end)], 0)
            window = torch.from_numpy(read.T.astype(np.int64)).to(device)
            with matmul_precision("fp32"):
                logits, _ = model(window, model.initial_state(len(read)))
            yield logits.transpose(0, 1)[torch.from_numpy(inside).to(device)]
        first, number = last, number + 1


def document_starts(ids: Ids, document_id: int) -> npt.NDArray[np.int64]:
    """Positions at which documents begin, with a mark, and of the text's beginning."""
    return np.union1d([0], np.flatnonzero(ids == document_id))


def pieces_of(ids: Ids, length: int, document_id: int) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive pieces of a text of at most `length` tokens.

    Each document begins one.

    Args:
        document_id: of the mark that begins documents; 0: there are none.
    """
    starts = document_starts(ids, document_id) if document_id else np.zeros(1, dtype=np.int64)
    for begin, end in pairwise([*starts.tolist(), len(ids)]):
        for start in range(begin, end, length):
            yield start, min(start + length, end)


def begins_document(config: ModelConfig, token: int) -> bool:
    """Whether a token is the mark before which the state is zero."""
    return bool(config.document_id) and token == config.document_id


def to_column(device: torch.device, ids: TokenIds) -> Tensor:
    """Ids of any integer type as a model's input: int64, (T, 1)."""
    return torch.from_numpy(ids.astype(np.int64)).to(device).unsqueeze(1)


def surprise_pieces(pieces: Iterable[Tensor], ids: TokenIds) -> Iterator[Surprise]:
    """-ln p of each id after the first, in nats, piece by piece of the log-probabilities.

    What another process computes is 0.
    """
    start = 1
    for piece in pieces:
        if piece.shape[1]:
            there = to_column(piece.device, ids[start : start + len(piece)])[:, 0]
            yield F.nll_loss(piece, there, reduction="none").cpu().double().numpy()
        else:
            yield np.zeros(len(piece))
        start += len(piece)


def surprise_of_ids(pieces: Iterable[Tensor], ids: TokenIds) -> Surprise:
    """-ln p of each id after the first, in nats, as far as the pieces of log-probabilities go."""
    return np.concatenate([np.empty(0), *surprise_pieces(pieces, ids)])


def surprise(
    model: LanguageModel, ids: TokenIds, report: ProgressCallback = ignore_progress
) -> Surprise:
    """-ln p of each token after the first given all before it, in nats, (tokens - 1,).

    The arguments are those of `log_probabilities`.
    """
    with closing(log_probabilities(model, ids, report=report)) as pieces:
        return surprise_of_ids(pieces, ids)


def totals(
    model: LanguageModel,
    ids: TokenIds,
    should_stop: Callable[[], bool] = lambda: False,
    report: ProgressCallback = ignore_progress,
) -> Totals:
    """`surprise` of a text of any length, as sums."""
    with closing(log_probabilities(model, ids, should_stop, report)) as pieces:
        return Totals.of(surprise_pieces(pieces, ids))


def averaged(surprises: Sequence[Surprise]) -> Surprise:
    """-ln of the mean of several models' probabilities of the same tokens, in nats."""
    mean: Surprise = np.log(len(surprises)) - np.logaddexp.reduce([-each for each in surprises])
    return mean


def score(
    model: LanguageModel,
    ids: TokenIds,
    should_stop: Callable[[], bool] = lambda: False,
    units: str = CHARACTERS,
    world: World = ALONE,
) -> TokenCrossEntropy | None:
    """The cross-entropy of a text, summed in float64; None if `should_stop` ended it early.

    Args:
        units: what ids stand for.
        world: the processes that share this. All of them get the same score.
    """
    most = max(len(ids) - 1, 0)
    if world.size == 1:
        found = totals(model, ids, should_stop)
    else:
        with closing(log_probabilities(model, ids, should_stop, world=world)) as pieces:
            nats = surprise_of_ids(pieces, ids)
        if world.any(len(nats) < most):
            return None
        # Each token's nats come from one process, and are added in the order of the text.
        found = Totals.of([world.add(nats)])
    return SCORES[units](found.total, found.count) if found.count == most else None
