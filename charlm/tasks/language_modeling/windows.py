"""Cutting a span of ids into the windows of truncated backpropagation through time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.errors import CorpusError
from charlm.seeds import Stream, generator
from charlm.tasks.language_modeling.readers import make_reader
from charlm.text.splits import count
from charlm.text.vocabulary import Ids

# Random lengths as in AWD-LSTM: their standard deviation as a share of T (5 of 70 steps), and the
# share of windows that are half as long.
SPREAD = 1 / 14
HALVED = 0.05
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Window:
    """Inputs and targets of one optimizer step.

    Args:
        inputs: ids (T, B).
        targets: the ids one step later, (T, B).
        continues: whether the streams continue where the previous window ended, so that the state
            is carried over.
        items: number of targets that are predicted.
        resets: which streams' state is set to zero nevertheless, bool (B, 1); None: none.
    """

    inputs: Tensor
    targets: Tensor
    continues: bool
    items: int
    resets: Tensor | None = None


class Windows:
    """The training windows of a span, laid out anew for each epoch.

    The layout depends only on the seed and the epoch's number.

    "sequential" (d2l.ai 9.3.3): from a random offset on, the span is cut into B streams of equal
    length, and each window takes the next T ids of every stream. "random": from a random offset
    below T on, the span is cut into pieces of T ids, and each window takes B pieces in shuffled
    order. Either way an epoch predicts each id at most once and has as many whole windows as fit;
    ids that are left out with one offset are reached with another.

    Sequential windows may have random lengths (Merity et al. 2018), so that no character is always
    at the same distance from a window's beginning. Lengths follow about N(T, (T/14)²), except that
    one window in twenty is about half as long and the last takes what is left of the streams.

    Args:
        ids: the span, (characters,); may be a memory map.
        batch_size: B.
        seq_length: T.
        sampling: "sequential" or "random".
        random_lengths: draw the lengths of sequential windows.
        reset_probability: probability that a stream's state is not carried into a sequential
            window.
        device: where the windows are needed.

    Raises:
        CorpusError: the span is too short for one window.
    """

    def __init__(
        self,
        ids: Ids,
        batch_size: int,
        seq_length: int,
        sampling: str,
        seed: int,
        *,
        random_lengths: bool = False,
        reset_probability: float = 0.0,
        device: torch.device = CPU,
    ) -> None:
        needed = batch_size * seq_length + 1
        if len(ids) < needed:
            raise CorpusError(
                f"The training text has {count(len(ids))}; windows of {batch_size} × "
                f"{seq_length} need {needed:,}.",
                "Use a longer text or a smaller --batch-size or --seq-length.",
            )
        self.reader = make_reader(ids, device)
        self.device = device
        self.predictable = len(ids) - 1  # The last id is a target only.
        self.batch_size = batch_size
        self.seq_length = seq_length
        self.sampling = sampling
        self.seed = seed
        self.random_lengths = random_lengths
        self.reset_probability = reset_probability
        self._epoch = -1
        self.count = 0
        self.load(0)

    def load(self, epoch: int) -> None:
        """Lay out the windows of an epoch, and set `count` to their number."""
        if epoch == self._epoch:
            return
        B, T = self.batch_size, self.seq_length
        rng = generator(self.seed, Stream.DATA_ORDER, epoch)
        resets = None
        # Random pieces shifted by T are the same pieces again; shifted streams are not.
        most = T if self.sampling == "sequential" else T - 1
        offset = int(rng.integers(min(most, self.predictable - B * T) + 1))
        if self.sampling == "sequential":
            length = (self.predictable - offset) // B
            lengths = self._draw_lengths(length, rng)
            # Shift by part of what the last stream leaves over, so that some epoch reaches it.
            spare = self.predictable - offset - (B - 1) * length - int(lengths.sum())
            offset += int(rng.integers(spare + 1))
            starts = (lengths.cumsum() - lengths)[:, None] + (offset + length * np.arange(B))
            if self.reset_probability:
                resets = rng.random((len(lengths), B, 1)) < self.reset_probability
        else:
            pieces = (self.predictable - offset) // T
            order = rng.permutation(pieces)[: pieces // B * B]
            starts = (offset + T * order).reshape(-1, B)
            lengths = np.full(len(starts), T)
        self.reader.load(starts)
        self._lengths: list[int] = lengths.tolist()
        self._resets = None if resets is None else torch.from_numpy(resets).to(self.device)
        self._epoch = epoch
        self.count = len(starts)

    def _draw_lengths(self, length: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Lengths of the windows of a stream of `length` ids, (windows,)."""
        T = self.seq_length
        if not self.random_lengths:
            return np.full(length // T, T)
        shortest = max(1, T // 5)
        most = -(-length // shortest)
        means = np.where(rng.random(most) < HALVED, T / 2, T)
        drawn = np.rint(rng.normal(means, T * SPREAD)).astype(np.int64)
        ends = np.minimum(np.maximum(drawn, shortest).cumsum(), length)
        lengths: npt.NDArray[np.int64] = np.diff(
            ends[: 1 + np.searchsorted(ends, length)], prepend=0
        )
        return lengths

    def __getitem__(self, index: int) -> Window:
        """Window number `index` of the epoch loaded last."""
        span = self.reader.read(index, self._lengths[index] + 1)
        resets = None if self._resets is None else self._resets[index]
        continues = self.sampling == "sequential" and index > 0
        return Window(span[:-1], span[1:], continues, span[1:].numel(), resets)

    @property
    def lanes(self) -> int:
        """How many streams stand side by side."""
        return self.batch_size


def fit(characters: int, batch_size: int, seq_length: int) -> tuple[int, int]:
    """The largest batch size and window length, up to those given, that so many ids can fill."""
    seq_length = min(seq_length, characters - 1)
    return min(batch_size, (characters - 1) // seq_length), seq_length
