"""Ways of steering: what changes the logits of the next entries, given what stands before them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from charlm.config import SamplingConfig
from charlm.generation.bans import Bans
from charlm.generation.engine import Array
from charlm.generation.filters import filtered, log_probabilities
from charlm.text.vocabulary import UNKNOWN_ID, Ids, Vocabulary


class Steering(Protocol):
    """A way of steering. It keeps nothing of a text.

    What it has to remember of N texts is an array (N, …) that is passed in and returned, so that
    texts can be selected and repeated as an engine's states are.
    """

    def begin(self, context: Ids) -> Array:
        """What is to be remembered of one text, (1, …), of which these ids were read last."""

    def change(self, logits: Array, memory: Array) -> Array:
        """Other logits (N, V)."""

    def follow(self, memory: Array, ids: Array) -> Array:
        """What is to be remembered once these ids (N,) are written."""


class RepetitionPenalty:
    """Makes entries that came lately less probable (Keskar et al. 2019, section 4.1).

    The paper divides an entry's logit by the penalty. But logits may be shifted by any number
    without changing a probability, and one below zero would become more probable. Here ln p takes
    the logit's place, which is at most 0 and is multiplied by the penalty. So p becomes p^penalty
    before all are divided by their sum: what is certain stays certain, as is the rest of a word.

    Args:
        penalty: 1 or more.
        window: how many of the last entries of prefix and text came lately.
        document_id: of the mark that ends a document, which stays as probable as it was.
    """

    def __init__(self, penalty: float, window: int, document_id: int = UNKNOWN_ID) -> None:
        self.penalty = penalty
        self.window = window
        self.document_id = document_id

    def begin(self, context: Ids) -> Array:
        # <unk> is never written, and fills the places of what has not come yet.
        recent = np.full((1, self.window), UNKNOWN_ID)
        last = context[-self.window :]
        recent[0, self.window - len(last) :] = last
        return recent

    def change(self, logits: Array, memory: Array) -> Array:
        changed = log_probabilities(logits)
        end = changed[:, self.document_id].copy()
        # An entry that came twice is assigned twice, not multiplied twice.
        changed[np.arange(len(memory))[:, None], memory] *= self.penalty
        changed[:, self.document_id] = end
        return changed

    def follow(self, memory: Array, ids: Array) -> Array:
        return np.concatenate([memory[:, 1:], ids[:, None]], axis=1)


def steered(config: SamplingConfig) -> bool:
    """Whether something stands between the logits and a plain draw, so that no block is drawn."""
    penalized = config.repetition_penalty > 1 or bool(config.bans)
    return filtered(config) or penalized or config.mix or bool(config.beams)


def steering_of(config: SamplingConfig, vocabulary: Vocabulary) -> list[Steering]:
    """What these settings ask for: the penalty first, on the model's own probabilities."""
    found: list[Steering] = []
    if config.repetition_penalty > 1:
        penalty = config.repetition_penalty, config.repetition_window
        found.append(RepetitionPenalty(*penalty, vocabulary.document_id))
    if config.bans:
        found.append(Bans(vocabulary, config.bans))
    return found


def begin_all(steering: Sequence[Steering], contexts: Sequence[Ids]) -> list[Array]:
    """What each way remembers of N texts after they were read, (N, …)."""
    return [np.concatenate([each.begin(context) for context in contexts]) for each in steering]


def change_all(steering: Sequence[Steering], logits: Array, memories: Sequence[Array]) -> Array:
    """The logits (N, V) after each way has changed them."""
    for each, memory in zip(steering, memories, strict=True):
        logits = each.change(logits, memory)
    return logits


def follow_all(steering: Sequence[Steering], memories: Sequence[Array], ids: Array) -> list[Array]:
    """What each way remembers once these ids (N,) are written."""
    return [each.follow(memory, ids) for each, memory in zip(steering, memories, strict=True)]
