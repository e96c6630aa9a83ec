"""Examples of different lengths: stored one behind the other, read as padded batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.machine.device import to_device
from charlm.seeds import Stream, generator

# Batches are made of neighbours by length within so many batches' examples.
BUCKET = 50


class Batch(NamedTuple):
    """Some sequences.

    Args:
        inputs: ids (T, B), int64, or vectors (T, B, I), float32; behind a sequence's end zeros.
        lengths: steps of each, (B,), int64; None where all have T.
    """

    inputs: Tensor
    lengths: Tensor | None


@dataclass(frozen=True)
class Sequences:
    """Sequences of ids or vectors, each a stretch of one array; they may overlap.

    Args:
        steps: ids (steps,) or vectors (steps, I).
        starts: where each sequence begins in it, (examples,).
        lengths: steps of each, (examples,).
    """

    steps: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, sequences: Iterable[npt.NDArray[Any]]) -> "Sequences":
        """Lay out sequences, one or more, one behind the other."""
        each = list(sequences)
        lengths = np.array([len(one) for one in each], dtype=np.int64)
        return cls(np.concatenate(each), np.cumsum(lengths) - lengths, lengths)

    @classmethod
    def of_single_steps(cls, vectors: npt.NDArray[Any]) -> "Sequences":
        """Each row of vectors (examples, I) as a sequence of one step."""
        return cls(vectors, np.arange(len(vectors)), np.ones(len(vectors), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: "slice | npt.NDArray[np.int64]") -> "Sequences":
        """Some of the examples, over the same steps."""
        return Sequences(self.steps, self.starts[rows], self.lengths[rows])

    def sequence(self, row: int) -> npt.NDArray[Any]:
        """The steps of one example, a view."""
        return self.steps[self.starts[row] : self.starts[row] + self.lengths[row]]

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Of every step of every sequence, one behind the other, its place in `steps`."""
        first = np.cumsum(self.lengths) - self.lengths
        shift = np.repeat(self.starts - first, self.lengths)
        positions: npt.NDArray[np.int64] = np.arange(len(shift)) + shift
        return positions

    def batch(self, rows: npt.NDArray[np.int64], device: torch.device, longest: int = 0) -> Batch:
        """Some examples, padded to the longest of them, or further, to `longest` steps."""
        lengths = self.lengths[rows]
        wide = np.float32 if np.issubdtype(self.steps.dtype, np.floating) else np.int64
        t = np.arange(max(int(lengths.max()), longest))[:, None]
        if len(t) == lengths.min():
            taken = self.steps[self.starts[rows] + t].astype(wide, copy=False)
            return Batch(to_device(taken, device), None)
        inside = t < lengths
        taken = self.steps[np.where(inside, self.starts[rows] + t, 0)]
        inside = inside.reshape(*inside.shape, *(1,) * (taken.ndim - 2))
        inputs = np.where(inside, taken, 0).astype(wide, copy=False)
        return Batch(to_device(inputs, device), to_device(lengths, device))


def batches_of_epoch(
    lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """The rows of each batch of an epoch, shuffled anew, of similar lengths within a batch.

    Examples in random order are sorted by length within BUCKET batches' worth of them, and cut into
    batches, which come in random order. So little of a batch is padding, and no two epochs are
    alike. Where one batch has them all, they stay as they are.
    """
    if len(lengths) <= batch_size:
        return [np.arange(len(lengths))]
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
