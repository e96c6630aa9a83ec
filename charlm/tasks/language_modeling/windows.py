"""Cutting a span of ids into the windows of truncated backpropagation through time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.distributed.world import ALONE, Share, World
from charlm.errors import CorpusError
from charlm.machine.device import to_device
from charlm.seeds import Stream, generator
from charlm.tasks.language_modeling.readers import Starts, make_reader
from charlm.text.mapped_ids import TokenIds
from charlm.text.splits import count

# Random lengths as in AWD-LSTM: their standard deviation as a share of T (5 of 70 steps), and the
# share of windows that are half as long.
SPREAD = 1 / 14
HALVED = 0.05
CPU = torch.device("cpu")
# Random numbers that are drawn at a time: as many as wanted, in less memory.
DRAWN = 1 << 20


@dataclass(frozen=True)
class Window:
    """Inputs and targets of one optimizer step, or what one of several processes has of them.

    Args:
        inputs: ids (T, B).
        targets: the ids one step later, (T, B).
        continues: whether the streams continue where the previous window ended, so that the state
            is carried over.
        items: number of targets that are predicted, by all processes.
        share: which of the window's sequences these are.
        part: of `items` this process's, 0 to 1.
        resets: which streams' state is set to zero nevertheless, bool (B, 1); None: none.
    """

    inputs: Tensor
    targets: Tensor
    continues: bool
    items: int
    share: Share
    part: float
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
        world: the processes that share the streams.

    Raises:
        CorpusError: the span is too short for one window.
    """

    def __init__(
        self,
        ids: TokenIds,
        batch_size: int,
        seq_length: int,
        sampling: str,
        seed: int,
        *,
        random_lengths: bool = False,
        reset_probability: float = 0.0,
        device: torch.device = CPU,
        world: World = ALONE,
    ) -> None:
        self.share = world.share(batch_size)
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
            starts = Starts(lengths.cumsum() - lengths, offset + length * np.arange(B))
            if self.reset_probability:
                size = (len(lengths), B, 1)
                resets = below(rng, self.reset_probability, size[0] * B).reshape(size)
        else:
            pieces = (self.predictable - offset) // T
            # Shuffled like `rng.permutation(pieces)`, in half the memory.
            order = np.arange(pieces, dtype=np.min_scalar_type(pieces))
            rng.shuffle(order)
            order = order[: pieces // B * B].reshape(-1, B)
            starts = Starts(order, np.full(B, offset), T)
            lengths = np.full(len(order), T)
        rows = self.share.rows
        self.reader.load(starts.of(rows))
        self._lengths = lengths
        self._resets = None if resets is None else to_device(resets[:, rows], self.device)
        self._epoch = epoch
        self.count = len(lengths)

    def _draw_lengths(self, length: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Lengths of the windows of a stream of `length` ids, (windows,)."""
        T = self.seq_length
        if not self.random_lengths:
            return np.full(length // T, T)
        shortest = max(1, T // 5)
        most = -(-length // shortest)
        halved = below(rng, HALVED, most)
        drawn = np.empty(most, dtype=np.int32)
        for start in range(0, most, DRAWN):
            part = slice(start, start + DRAWN)
            means = np.where(halved[part], T / 2, T)
            drawn[part] = np.maximum(np.rint(rng.normal(means, T * SPREAD)), shortest)
        ends = np.minimum(drawn.cumsum(dtype=np.int64), length)
        lengths: npt.NDArray[np.int64] = np.diff(
            ends[: 1 + np.searchsorted(ends, length)], prepend=0
        )
        return lengths

    def __getitem__(self, index: int) -> Window:
        """Window number `index` of the epoch loaded last."""
        span = self.reader.read(index, int(self._lengths[index]) + 1)
        resets = None if self._resets is None else self._resets[index]
        continues = self.sampling == "sequential" and index > 0
        items = span[1:].numel() * self.batch_size // self.share.size
        part = self.share.part(self.share.size, self.batch_size)
        return Window(span[:-1], span[1:], continues, items, self.share, part, resets)

    @property
    def lanes(self) -> int:
        """How many streams stand side by side in this process."""
        return self.share.size


def below(rng: np.random.Generator, probability: float, size: int) -> npt.NDArray[np.bool_]:
    """Whether each of so many uniform random numbers is below a probability, (size,)."""
    found = np.empty(size, dtype=np.bool_)
    for start in range(0, size, DRAWN):
        part = found[start : start + DRAWN]
        part[:] = rng.random(len(part)) < probability
    return found


def fit(characters: int, batch_size: int, seq_length: int) -> tuple[int, int]:
    """The largest batch size and window length, up to those given, that so many ids can fill."""
    seq_length = min(seq_length, characters - 1)
    return min(batch_size, (characters - 1) // seq_length), seq_length
