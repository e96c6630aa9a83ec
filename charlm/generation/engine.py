"""What computes the next logits: the face that all engines share."""

from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

Array = npt.NDArray[Any]
# One (N, H) array for each layer and tensor of the state, or whatever else an engine carries.
EngineState = Any


class Engine(Protocol):
    """A recurrent model as a function of one step, for N texts side by side."""

    def initial_state(self, texts: int) -> EngineState:
        """Zeros for N texts."""

    def step(self, ids: Array, state: EngineState) -> tuple[Array, EngineState]:
        """Logits (N, V) after reading the ids (N,), and the new state; the old one stays."""

    def repeat(self, state: EngineState, texts: int) -> EngineState:
        """The state of one text as that of N."""


@runtime_checkable
class BlockEngine(Protocol):
    """An engine that also writes many characters to a call."""

    def generate_block(
        self, logits: Array, state: EngineState, draws: Array, temperature: float
    ) -> tuple[Array, Array, EngineState]:
        """The next ids (T, N) of N texts, and the logits and the state after the last of them.

        From where a text's largest logit is NaN or infinite on, its ids are UNKNOWN_ID.

        Args:
            logits: (N, V), those of the first of the ids.
            draws: uniform in [0, 1), one for each of the ids, (T, N).
        """
