"""From logits to the probabilities from which characters are drawn."""

import numpy as np
import numpy.typing as npt

from charlm.config import SamplingConfig
from charlm.errors import RunError
from charlm.text.vocabulary import UNKNOWN_ID

Floats = npt.NDArray[np.floating]


class NotFiniteError(RunError):
    """The logits are NaN or infinite, so that nothing can be drawn."""

    def __init__(self) -> None:
        super().__init__(
            "The model's numbers went beyond all bounds: no next character can be drawn.",
            "Train it anew with a lower --learning-rate.",
        )


def filtered(config: SamplingConfig) -> bool:
    """Whether top-k, top-p or min-p is in use."""
    return bool(config.top_k or config.top_p < 1 or config.min_p)


def distribution(logits: Floats, config: SamplingConfig) -> npt.NDArray[np.float64]:
    """Probabilities (N, V) of the next characters of N texts; `<unk>` is never drawn.

    Applies the temperature, then top-k, top-p and min-p, each to what the previous one has left.

    Args:
        logits: (N, V).

    Raises:
        NotFiniteError: the largest logit of a text is NaN or infinite.
    """
    logits = logits.astype(np.float64)
    logits[:, UNKNOWN_ID] = -np.inf
    largest = largest_of(logits)
    if config.temperature == 0:
        return np.asarray(np.eye(logits.shape[1])[logits.argmax(axis=1)])
    # No logit is above 0 then, and a tiny temperature sends them only to -inf, where exp is 0.
    logits -= largest
    if config.temperature < 1:
        with np.errstate(over="ignore"):
            logits /= config.temperature
    elif config.temperature > 1:
        logits /= config.temperature
    probabilities: npt.NDArray[np.float64] = np.exp(logits, out=logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if config.top_k:
        probabilities = top_k(probabilities, config.top_k)
    if config.top_p < 1:
        probabilities = top_p(probabilities, config.top_p)
    if config.min_p:
        probabilities = min_p(probabilities, config.min_p)
    return probabilities


def largest_of(logits: Floats) -> Floats:
    """The largest logit of each text, (N, 1).

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    largest: Floats = logits.max(axis=1, keepdims=True)
    # For so few numbers, counting is several times faster than all().
    if np.count_nonzero(np.isfinite(largest)) < len(largest):
        raise NotFiniteError
    return largest


def log_probabilities(logits: Floats) -> npt.NDArray[np.float64]:
    """ln p (N, V) of all entries as the model has them, `<unk>` among them, as in scoring.

    Raises:
        NotFiniteError: the largest logit of a text is NaN or infinite.
    """
    below: npt.NDArray[np.float64] = logits.astype(np.float64)
    below -= largest_of(below)
    below -= np.log(np.exp(below).sum(axis=1, keepdims=True))
    return below


def top_k(probabilities: Floats, k: int) -> npt.NDArray[np.float64]:
    """Keep the k most probable ids (Fan et al. 2018), on ties the lower ones."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return keep(probabilities, np.argsort(order, axis=1, kind="stable") < k)


def top_p(probabilities: Floats, p: float) -> npt.NDArray[np.float64]:
    """Keep the fewest most probable ids that sum to at least p (Holtzman et al. 2020)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    kept = np.empty(probabilities.shape, dtype=bool)
    np.put_along_axis(kept, order, before < p, axis=1)
    return keep(probabilities, kept)


def min_p(probabilities: Floats, share: float) -> npt.NDArray[np.float64]:
    """Keep ids with at least this share of the largest probability (Nguyen et al. 2024)."""
    return keep(probabilities, probabilities >= share * probabilities.max(axis=1, keepdims=True))


def keep(probabilities: Floats, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Set probabilities outside `kept` to zero and renormalize the rest."""
    left = np.where(kept, probabilities, 0.0)
    return np.asarray(left / left.sum(axis=1, keepdims=True), dtype=np.float64)
