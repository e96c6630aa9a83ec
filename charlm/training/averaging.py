"""Averages of the weights over the steps of a run, beside the weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from charlm.training.state import put_back

RAW, EMA, AVERAGE = "raw", "ema", "average"


class Averages:
    """Up to two averages, each a copy of the weights on their device; updates wait for nothing.

    "ema" moves exponentially, with a decay of (1+n)/(10+n) after n steps until that reaches the one
    asked for, so that it soon forgets the weights that training began with. "average" is the plain
    mean since `begin` (the averaging of NT-ASGD; Merity et al. 2018).

    Args:
        decay: of the exponential average; 0: there is none.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.kept: dict[str, list[Tensor]] = {}
        if decay:
            self.begin(EMA)

    def begin(self, kind: str) -> None:
        """Start an average as a copy of the weights as they are."""
        self.kept[kind] = [each.detach().clone() for each in self.model.parameters()]

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
        for kind, average in self.kept.items():
            weights = [each.detach() for each in self.model.parameters()]
            torch._foreach_lerp_(average, weights, shares[kind])

    @property
    def kinds(self) -> tuple[str, ...]:
        """All weights that there are, "raw" first."""
        return (RAW, *self.kept)

    @contextmanager
    def in_place(self, kind: str) -> Iterator[None]:
        """The model has these weights meanwhile."""
        self._swap(kind)
        try:
            yield
        finally:
            self._swap(kind)

    def _swap(self, kind: str) -> None:
        average = self.kept.get(kind, [])
        for i, weight in enumerate(self.model.parameters() if average else ()):
            weight.data, average[i] = average[i], weight.data

    def weights(self, kind: str) -> dict[str, Tensor]:
        """Weights by name, sharing memory with the model or the average."""
        named = {name: each.detach() for name, each in self.model.named_parameters()}
        return named if kind == RAW else dict(zip(named, self.kept[kind], strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """The averages as `<kind>/<weight's name>`, sharing memory."""
        return {
            f"{kind}/{name}": each
            for kind in self.kept
            for name, each in self.weights(kind).items()
        }

    def restore(self, tensors: dict[str, Tensor], averaging: bool) -> None:
        """Put back what `tensors` gave; KeyError where something is missing.

        Args:
            averaging: the plain mean had begun.
        """
        self.kept = {}
        for kind in [EMA] * bool(self.decay) + [AVERAGE] * averaging:
            self.begin(kind)
            for name, each in self.weights(kind).items():
                put_back(each, f"{kind}/{name}", tensors)
