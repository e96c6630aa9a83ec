"""Everything that a run needs to go on as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor

from charlm.config import fits
from charlm.errors import RunError


@dataclass
class Counters:
    """Where a run is.

    Args:
        step: optimizer steps taken.
        epoch: the current one, from 0.
        window: windows of it that are done.
        seconds: spent before the process that goes on now.
        mark: tenths of the run that were evaluated.
        evaluated_at: the step of the last evaluation, -1 before the first.
        evaluated_seconds: when that was.
        steps_since: steps since then.
        items_since: items predicted in them.
        epoch_items: items of this epoch so far.
        best: the lowest held-out loss.
        stale: evaluations since then, or since the plain average began.
        averaging_since: the step after which that was, -1 before.
        rate_scale: what rollbacks have left of the learning rate.
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


@dataclass(frozen=True)
class Snapshot:
    """A training run at a moment, on the CPU, sharing no memory with it.

    Args:
        weights: the model's.
        tensors: optimizer, averages of the weights, recurrent state, running totals, random
            generators.
        counters: see Counters.
        scaler: the state of fp16's loss scaling, empty without it.
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
            RunError: the scalars are not what `scalars` gives.
        """
        try:
            counters = Counters(**scalars["counters"])
            for name, kind in get_type_hints(Counters).items():
                value = getattr(counters, name)
                if not fits(value, kind) or (value or 0) < -1:
                    raise ValueError(f"{name} cannot be {value!r}")
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
    return tensor.detach().to("cpu", copy=True).contiguous()


@torch.no_grad()
def restore_tensor(tensor: Tensor, name: str, saved: Mapping[str, Tensor]) -> None:
    """Copy saved numbers into the tensor of this name; KeyError where there are none.

    Raises:
        RunError: they are not as many, whole, NaN or infinite.
    """
    found = saved[name]
    if found.shape != tensor.shape or not found.is_floating_point():
        raise RunError(f"The training state does not fit the run: {name} is another.")
    # Squares of gradients may overflow: their weights stand still from then on.
    sound = ~found.isnan() if "exp_avg_sq" in name else found.isfinite()
    if not sound.all():
        raise RunError(f"The training state is damaged: {name} holds NaN or infinity.")
    tensor.copy_(found)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators that dropout draws from."""
    states = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random/cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(device: torch.device, tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random/cpu"])
    if device.type == "cuda" and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
