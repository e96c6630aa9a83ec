"""The interface of the engines, which compute the logits of the next characters."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

Array = npt.NDArray[Any]
# Often (N, H) arrays, one for each layer and state tensor; its form is up to the engine.
EngineState = Any


class Engine(Protocol):
    """A recurrent model that runs one step at a time, for N texts side by side."""

    def initial_state(self, texts: int) -> EngineState:
        """A state of zeros for N texts."""

    def step(self, ids: Array, state: EngineState) -> tuple[Array, EngineState]:
        """Logits (N, V) after reading the ids (N,), and the new state; the old one is kept."""

    def select(self, state: EngineState, texts: Array) -> EngineState:
        """The state of some texts, by their numbers (M,); one may come several times."""

    def join(self, states: Sequence[EngineState]) -> EngineState:
        """The state of the texts of several states, one after the other."""

    def to_arrays(self, state: EngineState) -> tuple[Array, ...]:
        """The state as arrays (L, N, H) in float32, the same from every engine."""

    def from_arrays(self, arrays: Sequence[Array]) -> EngineState:
        """The inverse of `to_arrays`."""


@runtime_checkable
class BlockEngine(Protocol):
    """An engine that can also write many characters per call."""

    def generate_block(
        self, logits: Array, state: EngineState, draws: Array, temperature: float
    ) -> tuple[Array, Array, EngineState]:
        """Draw the next T ids of N texts.

        Args:
            logits: of the first of these ids, (N, V).
            state: as returned together with the logits.
            draws: uniform in [0, 1), one for each id, (T, N).
            temperature: divides the logits; 0 takes the most probable id.

        Returns:
            The ids (T, N), and the logits (N, V) and the state after the last of them. Once the
            largest logit of a text is NaN or infinite, its ids are UNKNOWN_ID.
        """
