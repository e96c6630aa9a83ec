"""The base class of models with recurrent layers, whatever their task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from charlm.config import ModelConfig
from charlm.rnn.cells import State
from charlm.rnn.stack import RecurrentStack
from charlm.rnn.weights import check_shapes


class RecurrentModel(nn.Module, ABC):
    """A network around a stack of recurrent layers.

    Attributes:
        config: the architecture.
        rnn: the recurrent layers.
    """

    config: ModelConfig
    rnn: RecurrentStack

    def initial_state(self, batch_size: int) -> State:
        """A state of zeros, tensors (L, B, H)."""
        return self.rnn.initial_state(batch_size)

    @abstractmethod
    def initialize(self, scheme: str, seed: int) -> None:
        """Fill all weights from the seed; for the schemes see `RecurrentStack.initialize`."""

    @property
    def parameter_count(self) -> int:
        return sum(each.numel() for each in self.parameters())

    def weights(self) -> dict[str, Tensor]:
        """The weights by name, detached but sharing memory with the model; tied ones once."""
        return {name: each.detach() for name, each in self.named_parameters()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor | npt.NDArray[Any]]) -> None:
        """Copy weights into the model, by name, from tensors or arrays.

        Raises:
            RunError: the names or shapes differ from the model's.
        """
        own = self.weights()
        check_shapes(
            {name: tuple(each.shape) for name, each in own.items()}.items(),
            {name: tuple(each.shape) for name, each in weights.items()},
        )
        for name, weight in own.items():
            weight.copy_(torch.as_tensor(weights[name]))
