"""Examples of different lengths: stored one behind the other, read as padded batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.seeds import Stream, generator

# Batches are made of neighbours by length within so many batches' examples.
BUCKET = 50


class Batch(NamedTuple):
    """Sequences of different lengths.

    Args:
        inputs: ids (T, B), int64, or vectors (T, B, I), float32; behind a sequence's end zeros.
        lengths: steps of each sequence, (B,), int64.
        rows: numbers of the examples, (B,).
    """

    inputs: Tensor
    lengths: Tensor
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """Sequences of ids or vectors.

    Args:
        steps: all sequences one behind the other: ids (steps,) or vectors (steps, I).
        starts: where each begins, and where the last one ends, (examples + 1,).
    """

    steps: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, sequences: Iterable[npt.NDArray[Any]]) -> "Sequences":
        """Lay out sequences, one or more."""
        each = list(sequences)
        starts = np.cumsum([0, *map(len, each)], dtype=np.int64)
        return cls(np.concatenate(each), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Steps of each, (examples,)."""
        return np.diff(self.starts)

    def __getitem__(self, rows: slice) -> "Sequences":
        """Examples that follow one another, a view."""
        first, stop, _ = rows.indices(len(self))
        starts = self.starts[first : max(stop, first) + 1]
        return Sequences(self.steps[starts[0] : starts[-1]], starts - starts[0])

    def batch(self, rows: npt.NDArray[np.int64], device: torch.device) -> Batch:
        """Some examples, padded to the longest of them."""
        lengths = self.lengths[rows]
        t = np.arange(lengths.max())[:, None]
        inside = t < lengths
        positions = np.where(inside, self.starts[rows] + t, 0)
        taken = self.steps[positions]
        inside = inside.reshape(*inside.shape, *(1,) * (taken.ndim - 2))
        wide = np.float32 if np.issubdtype(taken.dtype, np.floating) else np.int64
        inputs = np.where(inside, taken, 0).astype(wide, copy=False)
        return Batch(
            torch.from_numpy(inputs).to(device), torch.from_numpy(lengths).to(device), rows
        )


def batches_of_epoch(
    lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """The rows of each batch of an epoch, shuffled anew, of similar lengths within a batch.

    Examples in random order are sorted by length within BUCKET batches' worth of them, and cut into
    batches, which come in random order. So little of a batch is padding, and no two epochs are
    alike.
    """
    random = generator(seed, Stream.DATA_ORDER, epoch)
    order = random.permutation(len(lengths))
    span = BUCKET * batch_size
    pieces = [order[start : start + span] for start in range(0, len(order), span)]
    ordered = np.concatenate([each[np.argsort(lengths[each], kind="stable")] for each in pieces])
    batches = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def batches_by_length(
    lengths: npt.NDArray[np.int64], batch_size: int
) -> Iterable[npt.NDArray[np.int64]]:
    """All rows, in batches of similar lengths."""
    order = np.argsort(lengths, kind="stable")
    return (order[i : i + batch_size] for i in range(0, len(order), batch_size))
