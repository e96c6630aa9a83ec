"""Exact scoring: every character after the first, once, in order, with the state carried."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charlm.metrics import Score
from charlm.model import LanguageModel
from charlm.text.vocabulary import Ids

CHUNK = 1024


@torch.no_grad()
def surprise(
    model: LanguageModel,
    ids: Ids,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> npt.NDArray[np.float64] | None:
    """-ln p of each character after the first given all before it, in nats, (characters - 1,).

    The model starts from a zero state, without dropout, in its weights' own precision.

    Args:
        ids: (characters,).
        should_stop: asked now and then; once it says yes the answer is None.
        report: told now and then how many characters are done, of how many.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        state = model.initial_state(1)
        pieces = []
        for start in range(0, len(ids) - 1, CHUNK):
            if should_stop():
                return None
            piece = ids[start : start + CHUNK + 1].astype(np.int64)
            window = torch.from_numpy(piece).to(device).unsqueeze(1)
            logits, state = model(window[:-1], state)
            report(start, len(ids) - 1)
            pieces.append(F.cross_entropy(logits[:, 0], window[1:, 0], reduction="none").cpu())
        return torch.cat(pieces).double().numpy() if pieces else np.empty(0)
    finally:
        model.train(was_training)


def score(
    model: LanguageModel, ids: Ids, should_stop: Callable[[], bool] = lambda: False
) -> Score | None:
    """The sum of `surprise`, in float64."""
    nats = surprise(model, ids, should_stop)
    return None if nats is None else Score(float(nats.sum()), len(nats))
