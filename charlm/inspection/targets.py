"""Characters of a text to predict, drawn at random, and what a model reads before each."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.rnn.cells import State
from charlm.text.vocabulary import Ids

Positions = npt.NDArray[np.int64]

# Below this a text has no two lengths of context to compare, nor two lags.
LEAST_CHARACTERS = 4
# Steps of one forward pass: what lies between the layers is kept for so many.
STEPS = 32
# Numbers, such as the states and gates of all steps, that a forward and backward pass may keep.
MOST_NUMBERS = 2**25


def check_length(ids: Ids, least: int = LEAST_CHARACTERS) -> None:
    """Raise UsageError unless a text has so many characters."""
    if len(ids) < least:
        raise UsageError(
            f"A text of {len(ids)} characters is too short to look for a memory.",
            f"Give at least {least}; some thousands say more.",
        )


def draw_targets(characters: int, before: int, number: int, seed: int) -> Positions:
    """Positions of different characters in a text, drawn at random, ascending.

    Args:
        characters: the length of the text.
        before: how many characters must stand before each, less than `characters`.
        number: how many to draw; if there are fewer, all of them are taken.
    """
    possible = characters - before
    generator = np.random.default_rng(seed)
    drawn = generator.choice(possible, size=min(number, possible), replace=False)
    positions: Positions = np.sort(drawn) + before
    return positions


def characters_before(ids: Ids, positions: Positions, length: int) -> npt.NDArray[np.int64]:
    """Ids of as many characters before each position, in the text's order, (length, positions)."""
    steps = np.arange(length)[:, None]
    found: npt.NDArray[np.int64] = ids[positions - length + steps].astype(np.int64)
    return found


def read(model: LanguageModel, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """Read ids (T, B), at least one step, and keep no more than the last step's results.

    Returns:
        Logits after the last step, (B, V), and the state there, tensors (L, B, H).
    """
    for some in torch.split(inputs, STEPS):
        _, outputs, state = model.hidden(some, state)
    return model.logits(outputs[-1:])[0], state


def streams_at_once(model: LanguageModel, steps: int) -> int:
    """How many streams may be read side by side, so many steps in a pass, within MOST_NUMBERS."""
    config = model.config
    vector = config.embedding_size or config.vocabulary_size
    # A layer keeps its output, four gates and their input projection.
    per_step = vector + 9 * config.num_layers * config.hidden_size
    return max(1, MOST_NUMBERS // (steps * per_step))


def device_of(model: LanguageModel) -> torch.device:
    """Where a model's weights lie."""
    return next(model.parameters()).device
