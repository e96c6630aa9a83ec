"""Drawing text on the model's device, without returning to the host for each character."""

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
    """Draw the next T ids of N texts.

    Args:
        model: in evaluation mode.
        greedy: whether to take the most probable id, ignoring temperature and draws.
        temperature: divides the logits.
        draws: uniform in [0, 1), (T, N).
        logits: of the first of these ids, (N, V).
        state: tensors (L, N, H).

    Returns:
        The ids (T, N), then the logits (N, V) and the state tensors after the last of them.
    """
    drawn = []
    for row in draws.unbind(0):
        ids = draw(logits, row, None if greedy else temperature)
        drawn.append(ids)
        steps, state = model(ids.unsqueeze(0), state)
        logits = steps[0].float()
    return torch.stack(drawn), logits, *state


def draw(logits: Tensor, draws: Tensor, temperature: float | Tensor | None) -> Tensor:
    """Draw ids (N,), as `filters.distribution` without filters and `sampler.draw` do together.

    An id is UNKNOWN_ID if the largest logit is NaN or infinite: to raise an error here, the host
    would have to wait for the device.

    Args:
        logits: (N, V).
        draws: uniform in [0, 1), (N,).
        temperature: divides the logits; None takes the most probable id.
    """
    logits = logits.to(draws.dtype, copy=True)
    logits[:, UNKNOWN_ID] = -torch.inf
    largest = logits.amax(dim=1, keepdim=True)
    if temperature is None:
        return logits.argmax(dim=1).where(largest[:, 0].isfinite(), UNKNOWN_ID)
    # Where the largest is NaN or infinite all sums are NaN, and the id becomes 0, UNKNOWN_ID.
    below = logits - largest
    cumulative = (below / temperature).exp().cumsum(dim=1)
    beyond = cumulative <= draws[:, None] * cumulative[:, -1:]
    # On devices without float64 a draw may have been rounded to one.
    return beyond.sum(dim=1).clamp(max=logits.shape[1] - 1)
