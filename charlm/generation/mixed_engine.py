"""An engine whose predictions are mixed with what was read; see `charlm.mixing`.

The weights are learned on a text that the network has not seen, and stay as they are then: what is
drawn from the mixture itself teaches them nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.generation.engine import Array, Engine, EngineState
from charlm.generation.filters import log_probabilities
from charlm.mixing.mixture import Mixture

# Of the held-out text so many tokens are read to learn the weights.
LEARNED_FROM = 10_000


@dataclass
class Memory:
    """A text that grows, and the mixture that has read it."""

    mixture: Mixture
    ids: list[int]


class Place(NamedTuple):
    """A text up to a place in it: others may have gone on from there."""

    memory: Memory
    length: int


class MixedState(NamedTuple):
    """The network's state, and the place that each of N texts has reached."""

    network: EngineState
    places: tuple[Place, ...]


class MixedEngine:
    """Mixes an engine's predictions with n-gram models and the longest match.

    Args:
        engine: computes the network.
        config: of the network.
        train: ids of the training text, an array or a memory map.
        held_out: ids of a text that the network has not seen, to learn the weights.
    """

    def __init__(self, engine: Engine, config: ModelConfig, train: Any, held_out: Any) -> None:
        self.engine, self.config = engine, config
        V = config.vocabulary_size
        self.mixture = Mixture(V, [min(len(held_out), LEARNED_FROM)], train, config.document_id)
        state = engine.initial_state(1)
        logs = None
        for each in np.asarray(held_out[:LEARNED_FROM]).tolist():
            if logs is None:
                self.mixture.read(each)
            else:
                self.mixture.predict(logs)
                self.mixture.follow(each)
            logits, state = engine.step(np.array([each]), state)
            logs = log_probabilities(logits)[0].astype(np.float64)

    def initial_state(self, texts: int) -> MixedState:
        places = (Place(Memory(self.mixture.another(), []), 0) for _ in range(texts))
        return MixedState(self.engine.initial_state(texts), tuple(places))

    def step(self, ids: Array, state: MixedState) -> tuple[Array, MixedState]:
        logits, network = self.engine.step(ids, state.network)
        places = tuple(map(self._read, state.places, ids.tolist()))
        logs = log_probabilities(logits).astype(np.float64)
        mixed = [
            np.log(place.memory.mixture.predict(row))
            for place, row in zip(places, logs, strict=True)
        ]
        return np.stack(mixed).astype(logits.dtype), MixedState(network, places)

    def _read(self, place: Place, id: int) -> Place:
        memory, length = place
        if len(memory.ids) > length:
            # Another text went on from here: this one is read anew.
            before, memory = memory.ids[:length], Memory(self.mixture.another(), [])
            for each in before:
                memory.mixture.read(each)
            memory.ids += before
        memory.mixture.read(id)
        memory.ids.append(id)
        return Place(memory, length + 1)

    def select(self, state: MixedState, texts: Array) -> MixedState:
        places = tuple(state.places[each] for each in texts)
        return MixedState(self.engine.select(state.network, texts), places)

    def join(self, states: Sequence[MixedState]) -> MixedState:
        places = tuple(place for state in states for place in state.places)
        return MixedState(self.engine.join([state.network for state in states]), places)

    def to_arrays(self, state: MixedState) -> tuple[Array, ...]:
        raise SettingError("mix", "and states that are kept do not go together: leave one out.")

    def from_arrays(self, arrays: Sequence[Array]) -> MixedState:
        raise SettingError("mix", "and states that are kept do not go together: leave one out.")
