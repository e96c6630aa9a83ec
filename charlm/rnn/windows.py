"""A span of ids cut into the windows of truncated backpropagation through time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from charlm.errors import CorpusError
from charlm.seeds import Stream, generator


@dataclass(frozen=True)
class Window:
    """What one optimizer step reads and has to predict.

    Args:
        inputs: ids (T, B).
        targets: the ids one step later, (T, B).
        continues: each stream goes on where the window before ended, so the state is carried.
    """

    inputs: Tensor
    targets: Tensor
    continues: bool


class Windows:
    """The windows of a span, epoch by epoch; an epoch depends on the seed and its number alone.

    "sequential" (d2l.ai 9.3.3): the span, from a random offset on, is cut into B streams of equal
    length, and each window takes the next T ids of every stream. "random": the span, from a random
    offset below T on, is cut into pieces of T, and each window takes B of them in shuffled order.
    Either way a target is predicted at most once in an epoch, as many are predicted as fill whole
    windows, and those that one offset leaves out another reaches.

    Args:
        ids: the span, (characters,), of an integer type that torch can index and slice.
        batch_size: B.
        seq_length: T.
        sampling: "sequential" or "random".

    Raises:
        CorpusError: the span is too short for one window.
    """

    def __init__(
        self, ids: Tensor, batch_size: int, seq_length: int, sampling: str, seed: int
    ) -> None:
        needed = batch_size * seq_length + 1
        if len(ids) < needed:
            raise CorpusError(
                f"The training text has {len(ids):,} characters; windows of {batch_size} × "
                f"{seq_length} need {needed:,}.",
                "Use a longer text or a smaller --batch-size or --seq-length.",
            )
        self.ids = ids
        self.batch_size = batch_size
        self.seq_length = seq_length
        self.sampling = sampling
        self.seed = seed
        self._epoch = -1
        self._starts = torch.empty(0)
        self.count = 0
        self.load(0)

    def load(self, epoch: int) -> None:
        """Lay out the windows of an epoch; `count` says how many there are."""
        if epoch == self._epoch:
            return
        B, T = self.batch_size, self.seq_length
        random = generator(self.seed, Stream.DATA_ORDER, epoch)
        # The last id is a target only.
        predictable = len(self.ids) - 1
        # Random pieces are the same again once they have moved by T, streams are not.
        most = T if self.sampling == "sequential" else T - 1
        offset = int(random.integers(min(most, predictable - B * T) + 1))
        if self.sampling == "sequential":
            length = (predictable - offset) // B
            windows = length // T
            # What the last window of the last stream leaves over, some epoch has to reach.
            spare = predictable - offset - (B - 1) * length - windows * T
            offset += int(random.integers(spare + 1))
            starts = offset + length * torch.arange(B)
            self._starts = T * torch.arange(windows)[:, None] + starts
        else:
            pieces = (predictable - offset) // T
            order = torch.from_numpy(random.permutation(pieces))[: pieces // B * B]
            self._starts = (offset + T * order).view(-1, B)
        self._starts = self._starts.to(self.ids.device)
        self._steps = torch.arange(T, device=self.ids.device)[:, None]
        self._epoch = epoch
        self.count = len(self._starts)

    def __getitem__(self, index: int) -> Window:
        """The window number `index` of the epoch loaded last."""
        positions = self._starts[index] + self._steps
        inputs, targets = self.ids[positions].long(), self.ids[positions + 1].long()
        return Window(inputs, targets, self.sampling == "sequential" and index > 0)


def fit(characters: int, batch_size: int, seq_length: int) -> tuple[int, int]:
    """The largest batch size and window, up to those given, that a span of this length fills."""
    seq_length = min(seq_length, characters - 1)
    return min(batch_size, (characters - 1) // seq_length), seq_length
