"""Packing documents into the windows of truncated backpropagation through time."""

import numpy as np
import numpy.typing as npt
import torch

from charlm.distributed.world import ALONE, World
from charlm.machine.device import to_device
from charlm.seeds import Stream, generator
from charlm.tasks.language_modeling.windows import CPU, Window
from charlm.text.vocabulary import Ids

# Longer documents are cut into sections of so many windows, each of which starts from a zero state
# as the streams of a running text do, so that none is trained on alone for long.
SECTION = 16
# Documents side by side at most, as a multiple of the batch size.
WIDEST = 8
# Of a batch's positions at least this share holds tokens, and it has at least this share of the
# tokens that it has room for.
REAL, FEWEST = 0.98, 0.25
# Batches of one pool have documents of like length; the pools themselves are drawn at random.
POOL = 64
# Cross-entropy leaves out targets of this value.
IGNORED = -100

Integers = npt.NDArray[np.int64]


class DocumentWindows:
    """The training windows of a text that is made of documents, laid out anew for each epoch.

    A batch holds whole documents of like length side by side, each from a zero state: B of those
    that are as long as a window or longer, and so many more shorter ones as fill B · T positions.
    A window takes the next T positions of those that have not ended. The documents are shuffled for
    each epoch, and so are the batches. The layout depends only on the seed and the epoch's number.

    Args:
        ids: the span, (tokens,), from the mark before its first document to that after its last.
        document_id: of the mark.
        batch_size: B.
        seq_length: T.
        device: where the windows are needed.
        world: the processes that share each batch's documents.
    """

    def __init__(
        self,
        ids: Ids,
        document_id: int,
        batch_size: int,
        seq_length: int,
        seed: int,
        device: torch.device = CPU,
        world: World = ALONE,
    ) -> None:
        self.world = world
        self.ids = ids
        self.marks: Integers = np.flatnonzero(ids == document_id)
        self.batch_size = batch_size
        self.seq_length = seq_length
        self.seed = seed
        self.device = device
        self._epoch = -1
        self.count = 0
        self.load(0)

    @property
    def lanes(self) -> int:
        """How many documents stand side by side in this process at most."""
        return self.world.share(self.most).size

    @property
    def most(self) -> int:
        """How many stand side by side at most, of all processes."""
        return WIDEST * self.batch_size

    def load(self, epoch: int) -> None:
        """Lay out the windows of an epoch, and set `count` to their number."""
        if epoch == self._epoch:
            return
        rng = generator(self.seed, Stream.DATA_ORDER, epoch)
        starts, lengths = self._sections(rng)
        batches: list[tuple[Integers, Integers]] = []
        first = 0
        while first < len(starts):
            # Shuffled before it is sorted, so that documents of one length stand in random order.
            size = np.searchsorted(lengths[first:].cumsum(), self._pool) + 1
            pool = slice(first, first + int(size))
            first = pool.stop
            by_length = np.argsort(-lengths[pool], kind="stable")
            batches += self._batches(starts[pool][by_length], lengths[pool][by_length])
        order = rng.permutation(len(batches))
        T = self.seq_length
        self._windows = [
            (starts[lengths > step] + step, np.minimum(lengths[lengths > step] - step, T), step > 0)
            for starts, lengths in (batches[i] for i in order)
            for step in range(0, int(lengths[0]), T)
        ]
        self._epoch = epoch
        self.count = len(self._windows)

    @property
    def _pool(self) -> int:
        """Tokens of a pool."""
        return POOL * self.batch_size * self.seq_length

    def _sections(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """First positions of all documents and sections of long ones, and how many tokens each has.

        Both are shuffled.
        """
        starts, lengths = self.marks[:-1], np.diff(self.marks)
        longest = SECTION * self.seq_length
        long = lengths > longest
        pieces = [(starts[~long], lengths[~long])]
        for start, length in zip(starts[long].tolist(), lengths[long].tolist(), strict=True):
            # The first section's length is random, so that the cuts are elsewhere in each epoch.
            cuts = np.arange(int(rng.integers(1, longest + 1)), length, longest)
            bounds = np.concatenate([[0], cuts, [length]])
            pieces.append((start + bounds[:-1], np.diff(bounds)))
        starts, lengths = (np.concatenate(each) for each in zip(*pieces, strict=True))
        order = rng.permutation(len(starts))
        return starts[order], lengths[order]

    def _batches(self, starts: Integers, lengths: Integers) -> list[tuple[Integers, Integers]]:
        """Batches of a pool's documents, which are sorted from the longest to the shortest."""
        found, first, full = [], 0, self.batch_size * self.seq_length
        while first < len(starts):
            longest = int(lengths[first])
            room = min(full // min(longest, self.seq_length), self.most)
            if longest <= self.seq_length:
                # A batch ends early where shorter documents would leave much of it empty.
                tokens = lengths[first : first + room].cumsum()
                positions = longest * np.arange(1, len(tokens) + 1)
                good = np.flatnonzero((tokens >= REAL * positions) | (tokens < FEWEST * full))
                room = int(good[-1]) + 1
            batch = slice(first, first + room)
            found.append((starts[batch], lengths[batch]))
            first = batch.stop
        return found

    @property
    def real_share(self) -> float:
        """Share of the epoch's positions that hold a token; the others are padding."""
        real = sum(int(lengths.sum()) for _, lengths, _ in self._windows)
        return real / sum(len(lengths) * int(lengths[0]) for _, lengths, _ in self._windows)

    def __getitem__(self, index: int) -> Window:
        """Window number `index` of the epoch loaded last; targets of padding are IGNORED."""
        starts, lengths, continues = self._windows[index]
        share, steps = self.world.share(len(starts)), np.arange(int(lengths[0]))[:, None]
        items = int(lengths.sum())
        starts, lengths = starts[share.rows], lengths[share.rows]
        inside = steps < lengths
        positions = np.where(inside, starts + steps, 0)
        inputs = self.ids[positions].astype(np.int64)
        targets = np.where(inside, self.ids[positions + 1].astype(np.int64), IGNORED)
        read, wanted = (to_device(each, self.device) for each in (inputs, targets))
        part = share.part(int(lengths.sum()), items)
        return Window(read, wanted, continues, items, share, part)
