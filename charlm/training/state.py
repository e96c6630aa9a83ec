"""The state of a training run: all that it needs to resume as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor

from charlm.config import fits
from charlm.errors import RunError
from charlm.files.schema import quoted
from charlm.machine.generators import generator_states, restore_generators


@dataclass
class Counters:
    """How far a run has come.

    Args:
        step: optimizer steps taken.
        epoch: number of the current epoch, from 0.
        window: windows done in the current epoch.
        seconds: training time up to this state.
        mark: whole tenths of the run that were done at the last evaluation.
        evaluated_at: step of the last evaluation; -1 before the first.
        evaluated_seconds: training time at the last evaluation.
        steps_since: steps since the last evaluation.
        items_since: items predicted since the last evaluation.
        epoch_items: items predicted in the current epoch.
        best: lowest held-out loss so far.
        stale: evaluations since `best`, or since the plain average of the weights began.
        averaging_since: step after which that average began; -1 before.
        rollbacks: times that training diverged and went back.
        rate_scale: factor on the learning rate, halved by each rollback.
        own_best: lowest held-out loss of the weights themselves, whatever that of an average.
        plateau: evaluations since `own_best`, since the rate was last lowered for a plateau, or
            since the plain average began.
        reductions: how often the rate was lowered for a plateau.
    """

    step: int = 0
    epoch: int = 0
    window: int = 0
    seconds: float = 0.0
    mark: int = 0
    evaluated_at: int = -1
    evaluated_seconds: float = 0.0
    steps_since: int = 0
    items_since: int = 0
    epoch_items: int = 0
    best: float | None = None
    stale: int = 0
    averaging_since: int = -1
    rollbacks: int = 0
    rate_scale: float = 1.0
    own_best: float | None = None
    plateau: int = 0
    reductions: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A copy of a training run's state, on the CPU.

    Args:
        weights: the model's weights by name.
        tensors: optimizer, averages of the weights, recurrent state, running totals, random
            generators.
        scaler: state of fp16 loss scaling; empty without it.
    """

    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]
    counters: Counters
    scaler: dict[str, Any] = field(default_factory=dict)

    def arrays(self) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
        """Weights and tensors as NumPy arrays."""
        weights = {name: each.numpy() for name, each in self.weights.items()}
        return weights, {name: each.numpy() for name, each in self.tensors.items()}

    def scalars(self) -> dict[str, Any]:
        """Everything else, ready for JSON."""
        return {"counters": asdict(self.counters), "scaler": self.scaler}

    @classmethod
    def from_arrays(
        cls,
        weights: dict[str, np.ndarray[Any, Any]],
        tensors: dict[str, np.ndarray[Any, Any]],
        scalars: dict[str, Any],
    ) -> "Snapshot":
        """The inverse of `arrays` and `scalars`.

        Raises:
            RunError: the scalars are damaged.
        """
        try:
            counters = Counters(**scalars["counters"])
            for name, kind in get_type_hints(Counters).items():
                value = getattr(counters, name)
                if not fits(value, kind) or (value or 0) < -1:
                    raise ValueError(f"{name} cannot be {quoted(value)}")
            scaler = dict(scalars["scaler"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"The training state is damaged: {error}.") from None
        to_tensors = {name: torch.from_numpy(each) for name, each in tensors.items()}
        return cls(
            {name: torch.from_numpy(each) for name, each in weights.items()},
            to_tensors,
            counters,
            scaler,
        )


def copy_to_cpu(tensor: Tensor) -> Tensor:
    """A detached, contiguous copy on the CPU."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def is_sound(name: str, tensor: Tensor) -> bool:
    """Whether training can go on from a tensor that is saved by this name: its values are finite.

    Averages of squared gradients may be infinite, which merely freezes their weights.
    """
    sound = ~tensor.isnan() if "exp_avg_sq" in name else tensor.isfinite()
    return bool(sound.all())


@torch.no_grad()
def restore_tensor(tensor: Tensor, name: str, saved: Mapping[str, Tensor]) -> None:
    """Copy the values saved as `name` into `tensor`.

    Raises:
        KeyError: nothing was saved under this name.
        RunError: the values are of another shape, not floating-point, NaN or infinite.
    """
    found = saved[name]
    if tensor.shape == () and found.shape == (1,):
        found = found[0]  # the first runs kept numbers so
    if found.shape != tensor.shape or not found.is_floating_point():
        raise RunError(f"The training state does not fit the run: {name} is another.")
    if not is_sound(name, found):
        raise RunError(f"The training state is damaged: {name} holds NaN or infinity.")
    tensor.copy_(found)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the torch generators that dropout draws from, by name."""
    return {f"random/{kind}": each for kind, each in generator_states(device).items()}


def restore_random_states(device: torch.device, tensors: dict[str, Tensor]) -> None:
    """Restore what `random_states` returned."""
    prefix = "random/"
    restore_generators(
        device, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
