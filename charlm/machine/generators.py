"""Torch's global random generators, from which dropout draws: the CPU's and that of one device."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed the CPU's generator and the device's, but not those of other devices."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """The states of both generators, tensors of bytes on the CPU, by type of device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_generators(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Restore what `generator_states` returned, on this device or another one.

    A device of another type than the one that the states are of keeps its own.

    Raises:
        KeyError: the CPU's is missing.
        RuntimeError: a state is none.
    """
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def forked_generators(device: torch.device) -> Iterator[None]:
    """Leave both generators after a block as they were before it.

    `torch.random.fork_rng` does the same, but not for MPS.
    """
    states = generator_states(device)
    try:
        yield
    finally:
        restore_generators(device, states)
