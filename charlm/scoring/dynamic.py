"""Dynamic evaluation: the weights adapt to the text while it is scored.

Krause, Kahembwe, Murray & Renals 2018, "Dynamic Evaluation of Neural Sequence Models": after a
window is scored, the weights take a step down its gradient, and a small one back to the trained
weights. Both are scaled by the root mean square of each weight's gradient on the training text.
"""

from collections.abc import Generator
from contextlib import closing

import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.progress import ProgressCallback, ignore_progress
from charlm.scoring.adjusted import DynamicConfig
from charlm.scoring.exact import (
    Surprise,
    begins_document,
    pieces_of,
    surprise_of_ids,
    to_column,
)
from charlm.scoring.exact import log_probabilities as static_log_probabilities
from charlm.text.mapped_ids import TokenIds
from charlm.text.vocabulary import Ids

# Gradient statistics come from the beginning of the training text, cut into streams.
CHARACTERS = 100_000
STREAMS = 16
# Added to each weight's root mean square, as a share of the mean over all weights.
EPSILON = 0.1


def mean_squares(
    model: LanguageModel, ids: TokenIds, window: int = DynamicConfig.window
) -> list[Tensor]:
    """The mean square of each weight's gradient on the training text, one tensor per parameter.

    The gradients are those of the mean nats of a window.

    Args:
        ids: ids of the training text, at least two; only the beginning is read.
        window: time steps in a window.
    """
    parameters = list(model.parameters())
    ids = ids[: CHARACTERS + 1]
    streams = max(min(STREAMS, (len(ids) - 1) // window), 1)
    length = (len(ids) - 1) // streams
    read = to_column(parameters[0].device, ids)[:, 0]
    inputs, targets = (read[i : i + streams * length].view(streams, length).t() for i in (0, 1))
    squares = [torch.zeros_like(each) for each in parameters]
    state = model.initial_state(streams)
    starts = range(0, max(length - window, 0) + 1, window)
    was_training = model.training
    model.eval()
    try:
        for start in starts:
            here = slice(start, start + window)
            with matmul_precision("fp32"):
                logits, state = model(inputs[here], state)
                loss = F.cross_entropy(logits.flatten(0, 1), targets[here].flatten())
                gradients = torch.autograd.grad(loss, parameters)
            torch._foreach_addcmul_(squares, gradients, gradients)
            state = tuple(each.detach() for each in state)
    finally:
        model.train(was_training)
    torch._foreach_div_(squares, len(starts))
    return squares


def log_probabilities(
    model: LanguageModel,
    ids: Ids,
    squares: list[Tensor],
    config: DynamicConfig,
    report: ProgressCallback = ignore_progress,
) -> Generator[Tensor, None, None]:
    """Like `charlm.scoring.exact.log_probabilities`, window by window, with adapting weights.

    Before each window except the first, the weights θ are updated by

        θ ← θ + min(decay · s / s̄, 1) (θ₀ - θ) - rate · g / (s + ε s̄),

    where θ₀ are the trained weights, g is the gradient of the mean nats of the previous window,
    s = √squares, and s̄ is the mean of s over all weights. Afterwards the model has the trained
    weights again.

    Args:
        squares: from `mean_squares`.
    """
    parameters = list(model.parameters())
    roots = [each.sqrt() for each in squares]
    count = sum(each.numel() for each in roots)
    mean = sum(float(each.cpu().double().sum()) for each in roots) / count or 1.0
    steps = [-config.rate / (each + EPSILON * mean) for each in roots]
    returns = [(each * (config.decay / mean)).clamp_(max=1) for each in roots]
    weights = [each.detach() for each in parameters]
    trained = [each.clone() for each in weights]
    was_training = model.training
    model.eval()
    try:
        state = model.initial_state(1)
        for start, stop in pieces_of(ids[:-1], config.window, model.config.document_id):
            piece = to_column(weights[0].device, ids[start : stop + 1])
            if begins_document(model.config, ids[start]):
                state = model.initial_state(1)
            with torch.enable_grad(), matmul_precision("fp32"):
                logits, state = model(piece[:-1], state)
                logs = F.log_softmax(logits[:, 0], dim=1)
                gradients = torch.autograd.grad(F.nll_loss(logs, piece[1:, 0]), parameters)
            state = tuple(each.detach() for each in state)
            report(start, len(ids) - 1)
            yield logs.detach()
            torch._foreach_lerp_(weights, trained, returns)
            torch._foreach_addcmul_(weights, gradients, steps)
    finally:
        torch._foreach_copy_(weights, trained)
        model.train(was_training)


def dynamic_pieces(
    model: LanguageModel,
    ids: Ids,
    squares: list[Tensor],
    config: DynamicConfig,
    report: ProgressCallback = ignore_progress,
) -> Generator[Tensor, None, None]:
    """`log_probabilities`, or with a rate of 0 the static ones, so that they agree to the bit."""
    if not config.rate:
        return static_log_probabilities(model, ids, report=report)
    return log_probabilities(model, ids, squares, config, report)


def dynamic_surprise(
    model: LanguageModel,
    ids: Ids,
    squares: list[Tensor],
    config: DynamicConfig | None = None,
    report: ProgressCallback = ignore_progress,
) -> Surprise:
    """-ln p of each character after the first, in nats, (characters - 1,), by dynamic evaluation.

    Every character is predicted before the weights adapt to it. With a rate of 0 the score equals
    the static one bit for bit.

    Args:
        ids: (characters,).
        squares: from `mean_squares`.
        report: called now and then with the number of characters done and the total.
    """
    following = dynamic_pieces(model, ids, squares, config or DynamicConfig(), report)
    with closing(following) as pieces:
        return surprise_of_ids(pieces, ids)
