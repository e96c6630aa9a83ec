"""How far two computations of the same may be apart, from what is computed; of no processor."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Roundings add up like a random walk: n of them stay within λ √n units in the last place, but for
# a probability of 2 exp(-λ²/2), 1e-13 here (Higham & Mary 2019).
LAMBDA = 8
# How much worse than torch's one order of the same sums may come out than another.
FACTOR = 4


def rounding(dtype: torch.dtype, operations: int) -> float:
    """What the roundings of so many operations amount to, relative to the numbers rounded."""
    return LAMBDA * operations**0.5 * torch.finfo(dtype).eps


def of_window(T: int, K: int, layers: int = 1) -> int:
    """How many operations stand between the first input of a window and its last output, or back.

    Each step of each layer sums K products, and then some twenty operations make the new state.
    """
    return T * layers * (K + 20)


def alike(T: int, K: int, layers: int = 1, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """How near two ways through a window come to each other, where numbers are about 1.

    Args: as of `of_window`; where gradients are compared too, T counts the way back.
    """
    tolerance = rounding(dtype, of_window(T, K, layers))
    return {"rtol": tolerance, "atol": tolerance}


def error(got: Tensor, exact: Tensor) -> float:
    return float((got.detach().double() - exact.detach().double()).norm())


def assert_near(mine: Sequence[Tensor], theirs: Sequence[Tensor], tolerance: float) -> None:
    """Each tensor equals the other but for a share of its largest number, where sums cancel."""
    for got, wanted in zip(mine, theirs, strict=True):
        largest = max(1.0, wanted.abs().max().item())
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance * largest)


def assert_as_near(
    mine: Sequence[Tensor], torchs: Sequence[Tensor], exact: Sequence[Tensor], floor: float
) -> None:
    """Each tensor is about as far from the exact one as what torch makes in the same precision.

    Args:
        exact: the same in float64.
        floor: what is allowed where torch happens to be exact, relative to the tensor's size.
    """
    for place, (got, other, wanted) in enumerate(zip(mine, torchs, exact, strict=True)):
        allowed = FACTOR * error(other, wanted) + floor * max(1.0, float(wanted.detach().norm()))
        assert error(got, wanted) <= allowed, place
