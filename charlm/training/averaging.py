"""Averages of the weights over the steps of a run, beside the weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from charlm.training.state import restore_tensor

RAW, EMA, AVERAGE = "raw", "ema", "average"


class Averages:
    """Up to two averages, each a copy of the weights on their device.

    "ema" is an exponential moving average: after a step, average ← average + s (weights - average)
    with s = 1 - decay. After n steps the decay is (1+n)/(10+n) until that reaches the one asked
    for, so that the average soon forgets the weights that training began with.

    "average" is the plain mean of the weights since `start` (NT-ASGD; Merity et al. 2018). The mean
    of k+1 weights moves from that of k by a share of s = 1/(k+1).

    Args:
        decay: of the exponential average; 0: there is none.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.averages: dict[str, list[Tensor]] = {}
        if decay:
            self.start(EMA)

    def start(self, kind: str) -> None:
        """Start an average as a copy of the weights as they are."""
        self.averages[kind] = [each.detach().clone() for each in self.model.parameters()]

    def update(self, steps: int, averaged: int) -> None:
        """Take in the weights after a step.

        Args:
            steps: of the run, this one included.
            averaged: steps since the plain mean began, this one included.
        """
        shares = {
            EMA: 1 - min(self.decay, (1 + steps) / (10 + steps)),
            AVERAGE: 1 / (1 + averaged),
        }
        for kind, average in self.averages.items():
            weights = [each.detach() for each in self.model.parameters()]
            # One call for all weights: a hundred small ones would take longer than the sums.
            torch._foreach_lerp_(average, weights, shares[kind])

    @property
    def kinds(self) -> tuple[str, ...]:
        """All weights that there are, "raw" first."""
        return (RAW, *self.averages)

    @contextmanager
    def in_model(self, kind: str) -> Iterator[None]:
        """Within the block the model has the weights of this kind."""
        self._swap(kind)
        try:
            yield
        finally:
            self._swap(kind)

    def _swap(self, kind: str) -> None:
        """Exchange the model's weights and an average; nothing is copied."""
        average = self.averages.get(kind, [])
        for i, weight in enumerate(self.model.parameters() if average else ()):
            weight.data, average[i] = average[i], weight.data

    def weights(self, kind: str) -> dict[str, Tensor]:
        """Weights by name, sharing memory with the model or the average."""
        named = {name: each.detach() for name, each in self.model.named_parameters()}
        return named if kind == RAW else dict(zip(named, self.averages[kind], strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """The averages as `<kind>/<weight's name>`, sharing memory."""
        return {
            f"{kind}/{name}": each
            for kind in self.averages
            for name, each in self.weights(kind).items()
        }

    def restore(self, tensors: dict[str, Tensor], averaging: bool) -> None:
        """Put back what `tensors` gave.

        Args:
            averaging: the plain mean had begun.

        Raises:
            KeyError: something is missing.
        """
        self.averages = {}
        for kind in [EMA] * bool(self.decay) + [AVERAGE] * averaging:
            self.start(kind)
            for name, each in self.weights(kind).items():
                restore_tensor(each, f"{kind}/{name}", tensors)
