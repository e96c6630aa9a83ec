"""How a model's loss falls with the number of characters that it has read.

Khandelwal et al. (2018), "Sharp Nearby, Fuzzy Far Away: How Neural Language Models Use Context".
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charlm.inspection.targets import (
    LEAST_CHARACTERS,
    STEPS,
    Positions,
    characters_before,
    check_length,
    device_of,
    draw_targets,
    read,
    streams_at_once,
)
from charlm.language_model import LanguageModel
from charlm.machine.device import matmul_precision
from charlm.machine.threads import tuned_threads
from charlm.progress import ProgressCallback, ignore_progress
from charlm.text.vocabulary import Ids

# Characters read before a target.
LENGTHS = tuple(2**power for power in range(11))
# Share by which a loss may exceed that of the longest context and still count as equal.
TOLERANCE = 0.01
RESAMPLES = 2000
BAND = (0.025, 0.975)


@dataclass(frozen=True)
class ContextLoss:
    """The loss of the same targets after contexts of different lengths, each from a zero state.

    Args:
        lengths: characters read before a target, ascending, (N,).
        nats: -ln p of each target after each context, (N, targets).
        positions: of the targets in the text, counted from 0, (targets,).
        window: steps of backpropagation through time in training; 0 if unknown.
        seed: of the bootstrap.
    """

    lengths: npt.NDArray[np.int64]
    nats: npt.NDArray[np.float64]
    positions: Positions
    window: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        # What is kept with a run may come from anywhere.
        if self.nats.shape != (len(self.lengths), len(self.positions)) or not self.nats.size:
            raise ValueError(f"no losses of shape {self.nats.shape}")

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """Mean loss after each context, in bits per character, (N,)."""
        bits: npt.NDArray[np.float64] = self.nats.mean(1) / np.log(2)
        return bits

    @property
    def increase(self) -> npt.NDArray[np.float64]:
        """Mean increase over the longest context, in bits per character, (N,)."""
        increase: npt.NDArray[np.float64] = self._differences.mean(1)
        return increase

    @property
    def _differences(self) -> npt.NDArray[np.float64]:
        """Of each target, its loss less that after the longest context, in bits, (N, targets)."""
        differences: npt.NDArray[np.float64] = (self.nats - self.nats[-1]) / np.log(2)
        return differences

    @cached_property
    def band(self) -> npt.NDArray[np.float64]:
        """Where 95 % of the increases lie if the targets are drawn again, (2, N).

        A bootstrap over the targets: it takes them to be independent, and speaks of other targets
        from such a text, not of other nets.
        """
        generator, differences = np.random.default_rng(self.seed), self._differences
        targets = differences.shape[1]
        means = np.empty((RESAMPLES, len(self.lengths)))
        for row in means:
            drawn = generator.integers(targets, size=targets)
            row[:] = differences @ np.bincount(drawn, minlength=targets) / targets
        band: npt.NDArray[np.float64] = np.quantile(means, BAND, axis=0)
        return band

    @property
    def effective(self) -> int:
        """The effective context: the least length from which on the mean loss is as good as best.

        That is, no more than 1 % above the loss after the longest context.
        """
        worse = np.flatnonzero(self.bits > (1 + TOLERANCE) * self.bits[-1])
        return int(self.lengths[worse[-1] + 1 if len(worse) else 0])

    def to_json(self) -> dict[str, Any]:
        """The number of targets, the effective context, and a row for each length."""
        rows = zip(self.lengths, self.bits, self.increase, *self.band, strict=True)
        return {
            "targets": len(self.positions),
            "window": self.window,
            "effective_context": self.effective,
            "lengths": [
                {
                    "characters": int(length),
                    "bits_per_character": float(bits),
                    "increase": float(increase),
                    "increase_95": [float(low), float(high)],
                }
                for length, bits, increase, low, high in rows
            ],
        }


@torch.no_grad()
def context_loss(
    model: LanguageModel,
    ids: Ids,
    *,
    targets: int = 500,
    lengths: Sequence[int] = LENGTHS,
    window: int = 0,
    seed: int = 0,
    report: ProgressCallback = ignore_progress,
) -> ContextLoss:
    """The loss of characters of a text after exactly n characters, read from a zero state.

    A zero state is not what a model was trained on whose state was carried from window to window.

    Args:
        model: in evaluation mode.
        ids: of the text, (characters,).
        targets: how many characters to predict, drawn at random among those with enough before
            them; if there are fewer, all of them.
        lengths: ascending; those longer than half of the text are left out.
        window: as of `ContextLoss`.
        seed: of the draw, and of the bootstrap.
        report: called now and then with the number of characters read and the total.

    Raises:
        UsageError: the text is too short.
    """
    check_length(ids, max(LEAST_CHARACTERS, 2 * lengths[0]))
    used = [n for n in lengths if n <= len(ids) // 2]
    positions = draw_targets(len(ids), used[-1], targets, seed)
    nats, device = np.empty((len(used), len(positions))), device_of(model)
    done, total = 0, sum(used) * len(positions)
    with tuned_threads(device.type) as tuner, matmul_precision("fp32"):
        for row, n in zip(nats, used, strict=True):
            most = streams_at_once(model, min(n, STEPS))
            for first in range(0, len(positions), most):
                some = positions[first : first + most]
                started = time.perf_counter()
                inputs = torch.from_numpy(characters_before(ids, some, n)).to(device)
                logits, _ = read(model, inputs, model.initial_state(len(some)))
                there = torch.from_numpy(ids[some].astype(np.int64))
                loss = F.cross_entropy(logits.cpu().double(), there, reduction="none")
                row[first : first + most] = loss.numpy()
                tuner.record_step(inputs.numel(), time.perf_counter() - started)
                done += inputs.numel()
                report(done, total)
    return ContextLoss(np.array(used), nats, positions, window, seed)
