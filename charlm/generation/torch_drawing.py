"""Steps and draws on the model's device."""

import torch
from torch import Tensor

from charlm.language_model import LanguageModel
from charlm.text.vocabulary import UNKNOWN_ID


def generate_block(
    model: LanguageModel,
    greedy: bool,
    temperature: float | Tensor,
    draws: Tensor,
    logits: Tensor,
    *state: Tensor,
) -> tuple[Tensor, ...]:
    """The next ids (T, N) of N texts, then the logits (N, V) and the state after the last of them.

    Args:
        greedy: take the most probable; temperature and draws say nothing then.
        draws: uniform in [0, 1), (T, N).
        logits: those of the first of the ids, (N, V).
        state: each (L, N, H).
    """
    drawn = []
    for row in draws.unbind(0):
        ids = draw(logits, row, None if greedy else temperature)
        drawn.append(ids)
        steps, state = model(ids.unsqueeze(0), state)
        logits = steps[0].float()
    return torch.stack(drawn), logits, *state


def draw(logits: Tensor, draws: Tensor, temperature: float | Tensor | None) -> Tensor:
    """Ids (N,): `filters.distribution` without filters, and `sampler.draw`.

    UNKNOWN_ID where the largest logit is NaN or infinite: nothing waits for the device to know it.

    Args:
        temperature: None for the most probable.
    """
    logits = logits.to(draws.dtype, copy=True)
    logits[:, UNKNOWN_ID] = -torch.inf
    largest = logits.amax(dim=1, keepdim=True)
    if temperature is None:
        return logits.argmax(dim=1).where(largest[:, 0].isfinite(), UNKNOWN_ID)
    # NaN where the largest is NaN or infinite, and then no draw falls beyond any sum.
    below = logits - largest
    cumulative = (below / temperature).exp().cumsum(dim=1)
    beyond = cumulative <= draws[:, None] * cumulative[:, -1:]
    # Without float64 a draw may have been rounded to one.
    return beyond.sum(dim=1).clamp(max=logits.shape[1] - 1)
