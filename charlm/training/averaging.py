"""Averages of the weights over the steps of a run, kept beside the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from charlm.training.state import restore_tensor

RAW, EMA, AVERAGE = "raw", "ema", "average"


class Averages:
    """Up to two averages of a model's weights, on the same device.

    "ema" is an exponential moving average: after a step, average ← average + s (weights - average)
    with s = 1 - decay. The decay starts low, at (1+n)/(10+n) after n steps until that exceeds
    `decay`, so that the average soon forgets the initial weights.

    "average" is the plain mean of the weights since `start` (NT-ASGD; Merity et al. 2018). Its
    update has the same form, with s = 1/(k+1) after k steps.

    Args:
        decay: decay of the exponential average; 0 keeps none.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.averages: dict[str, list[Tensor]] = {}
        if decay:
            self.start(EMA)

    def start(self, kind: str) -> None:
        """Start an average as a copy of the current weights."""
        self.averages[kind] = [each.detach().clone() for each in self.model.parameters()]

    def update(self, steps: int, averaged: int) -> None:
        """Include the weights after a step in all averages.

        Args:
            steps: steps of the run, this one included.
            averaged: steps since the plain mean began, this one included.
        """
        shares = {
            EMA: 1 - min(self.decay, (1 + steps) / (10 + steps)),
            AVERAGE: 1 / (1 + averaged),
        }
        for kind, average in self.averages.items():
            weights = [each.detach() for each in self.model.parameters()]
            # One call for all weights: launching a hundred small ones takes longer than the sums.
            torch._foreach_lerp_(average, weights, shares[kind])

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the available sets of weights: "raw" (the model's own), then the averages."""
        return (RAW, *self.averages)

    @contextmanager
    def in_model(self, kind: str) -> Iterator[None]:
        """Give the model the weights of this kind within a `with` block."""
        self._swap(kind)
        try:
            yield
        finally:
            self._swap(kind)

    def _swap(self, kind: str) -> None:
        """Exchange the values of the model's weights with those of an average.

        Each stays where it is: recorded work knows the weights by their places, and cuDNN wants
        those of a layer in one piece.
        """
        average = self.averages.get(kind, [])
        for weight, mean in zip(self.model.parameters() if average else (), average, strict=True):
            before = weight.detach().clone()
            weight.detach().copy_(mean)
            mean.copy_(before)

    def weights(self, kind: str) -> dict[str, Tensor]:
        """Weights of this kind by name, sharing memory with the model or the average."""
        named = {name: each.detach() for name, each in self.model.named_parameters()}
        return named if kind == RAW else dict(zip(named, self.averages[kind], strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """All averages, keyed `<kind>/<weight name>`, sharing memory."""
        return {
            f"{kind}/{name}": each
            for kind in self.averages
            for name, each in self.weights(kind).items()
        }

    def restore(self, tensors: dict[str, Tensor], averaging: bool) -> None:
        """Restore what `tensors` returned.

        Args:
            averaging: whether the plain mean had begun.

        Raises:
            KeyError: a tensor is missing.
            RunError: a tensor is damaged or of another shape.
        """
        self.averages = {}
        for kind in [EMA] * bool(self.decay) + [AVERAGE] * averaging:
            self.start(kind)
            for name, each in self.weights(kind).items():
                restore_tensor(each, f"{kind}/{name}", tensors)
