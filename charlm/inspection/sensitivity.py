"""How much a prediction changes with each of the characters before it: a gradient.

The gradient of the target's logit with respect to the vector of an earlier character is what
backpropagation through time carries back to it. Where its norm falls with every step, it vanishes
(Bengio et al. 1994; Pascanu et al. 2013). As a view of single predictions: Madsen (2019),
"Visualizing memorization in RNNs".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.inspection.targets import (
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
from charlm.progress import ProgressCallback, ignore_progress
from charlm.rnn.cells import State
from charlm.scoring.exact import to_column
from charlm.text.vocabulary import Ids

# Characters read before those that are looked at, so that these do not begin at a zero state.
WARM_UP = 100


@dataclass(frozen=True)
class LagSensitivity:
    """Norms of the gradients of targets' logits with respect to the characters before them.

    Lag k is the character k places before the last one that was read; that is lag 0.

    Args:
        norms: || d logit of the target / d vector of the character at lag k ||, (targets, K + 1).
            Vectors are rows of the embedding, or one-hot vectors.
        positions: of the targets in the text, counted from 0, (targets,).
        warm_up: characters that were read before the first of these, from a zero state.
    """

    norms: npt.NDArray[np.float64]
    positions: Positions
    warm_up: int

    def __post_init__(self) -> None:
        # What is kept with a run may come from anywhere.
        if self.norms.ndim != 2 or len(self.norms) != len(self.positions) or not self.norms.size:
            raise ValueError(f"no gradients of shape {self.norms.shape}")

    @property
    def relative(self) -> npt.NDArray[np.float64]:
        """The norms of each target relative to lag 0, (targets with any there, K + 1)."""
        norms = self.norms[self.norms[:, 0] > 0]
        relative: npt.NDArray[np.float64] = norms / norms[:, :1]
        return relative

    @property
    def left_out(self) -> int:
        """Number of targets whose logit does not depend on the last character at all."""
        return int(np.count_nonzero(self.norms[:, 0] == 0))

    @property
    def quartiles(self) -> npt.NDArray[np.float64]:
        """First quartile, median and third quartile of the relative norms, (3, K + 1).

        NaN where all targets are left out.
        """
        relative = self.relative
        if not len(relative):
            return np.full((3, self.norms.shape[1]), np.nan)
        quartiles: npt.NDArray[np.float64] = np.quantile(relative, (0.25, 0.5, 0.75), axis=0)
        return quartiles

    def to_json(self) -> dict[str, Any]:
        """The number of targets, and quartiles by lag, None where there are none."""
        rows = [
            [None if np.isnan(each) else each for each in row] for row in self.quartiles.T.tolist()
        ]
        return {
            "targets": len(self.positions) - self.left_out,
            "left_out": self.left_out,
            "lags": [
                {"lag": lag, "median": middle, "quartiles": [low, high]}
                for lag, (low, middle, high) in enumerate(rows)
            ],
        }


def sensitivity(
    model: LanguageModel,
    ids: Ids,
    *,
    targets: int = 500,
    lags: int = 100,
    seed: int = 0,
    report: ProgressCallback = ignore_progress,
) -> LagSensitivity:
    """How sensitive predictions are to the characters before them, by lag.

    Args:
        model: in evaluation mode.
        ids: of the text, (characters,).
        targets: how many predictions, drawn at random among those with enough before them; if
            there are fewer, all of them.
        lags: the largest lag; in a text of less than about twice as many characters, fewer.
        seed: of the draw.
        report: called now and then with the number of targets done and the total.

    Raises:
        UsageError: the text is too short.
    """
    check_length(ids)
    before = min(WARM_UP + lags + 1, len(ids) // 2)
    looked_at = min(lags + 1, before)
    positions = draw_targets(len(ids), before, targets, seed)
    norms, most = np.empty((len(positions), looked_at)), streams_at_once(model, looked_at)
    for first in range(0, len(positions), most):
        report(first, len(positions))
        some = positions[first : first + most]
        inputs = torch.from_numpy(characters_before(ids, some, before)).to(device_of(model))
        warm_up, inputs = inputs[: before - looked_at], inputs[before - looked_at :]
        state = model.initial_state(len(some))
        with torch.no_grad(), matmul_precision("fp32"):
            state = read(model, warm_up, state)[1] if len(warm_up) else state
        stops = np.full(len(some), looked_at)
        found = gradient_norms(model, inputs, state, stops, ids[some])
        norms[first : first + most] = found[:, ::-1]
    report(len(positions), len(positions))
    return LagSensitivity(norms, positions, before - looked_at)


@dataclass(frozen=True)
class Dependence:
    """On which earlier characters each prediction of a text hangs.

    Args:
        text: (characters,).
        shares: of each character after the first, how sensitive its logit is to those before it,
            the nearest first, relative to the most, (characters - 1, lags).
    """

    text: str
    shares: npt.NDArray[np.float64]


def dependence(
    model: LanguageModel,
    ids: Ids,
    positions: Positions,
    lags: int = 60,
    report: ProgressCallback = ignore_progress,
) -> npt.NDArray[np.float64]:
    """On which of the characters before them single predictions hang, (positions, lags).

    Column k belongs to the character at lag k, and each row is relative to its largest value. It is
    zero where the text has not begun, and where nothing matters. The state is carried from the
    first character of the text, as for a score.

    Args:
        model: in evaluation mode.
        ids: of the text, (characters,).
        positions: of the characters that are predicted, ascending, at least one, from 1 on.
        lags: how many characters to look back.
        report: called now and then with the number of positions done and the total.
    """
    starts = np.maximum(positions - lags, 0)
    states, stops = states_before(model, ids, starts), positions - starts
    norms, most = np.zeros((len(positions), lags)), streams_at_once(model, lags)
    for first in range(0, len(positions), most):
        report(first, len(positions))
        some = slice(first, first + most)
        # Near the beginning of the text some read further than their target, and it does not count.
        places = np.minimum(starts[some] + np.arange(lags)[:, None], len(ids) - 1)
        inputs = torch.from_numpy(ids[places].astype(np.int64)).to(device_of(model))
        state = tuple(each[:, some] for each in states)
        found = gradient_norms(model, inputs, state, stops[some], ids[positions[some]])
        steps = stops[some, None] - 1 - np.arange(lags)
        norms[some] = np.take_along_axis(found, np.maximum(steps, 0), 1) * (steps >= 0)
    report(len(positions), len(positions))
    largest = norms.max(1, keepdims=True, initial=0.0)
    relative: npt.NDArray[np.float64] = norms / np.where(largest > 0, largest, 1.0)
    return relative


@torch.no_grad()
def states_before(model: LanguageModel, ids: Ids, starts: Positions) -> State:
    """The states before some characters of a text, carried from its first, tensors (L, starts, H).

    Args:
        starts: positions of the characters, ascending, at least one.
    """
    state, at, found = model.initial_state(1), 0, list[State]()
    for start in starts.tolist():
        if start > at:
            with matmul_precision("fp32"):
                _, state = read(model, to_column(device_of(model), ids[at:start]), state)
            at = start
        found.append(state)
    return tuple(torch.cat(each, 1) for each in zip(*found, strict=True))


def gradient_norms(
    model: LanguageModel,
    inputs: Tensor,
    state: State,
    stops: npt.NDArray[np.int64],
    targets: Ids,
) -> npt.NDArray[np.float64]:
    """Norms of the gradients of one logit of each stream with respect to its inputs, (B, T).

    Args:
        inputs: ids (T, B).
        state: before the first step, tensors (L, B, H).
        stops: the step of each stream after which its logit is taken, counted from 1, (B,).
        targets: the id whose logit is taken, (B,).
    """
    streams = np.arange(len(stops))
    with torch.enable_grad(), matmul_precision("fp32"):
        vectors = input_vectors(model, inputs).requires_grad_()
        outputs, _ = model.rnn(vectors, state)
        logits = model.logits(outputs[stops - 1, streams][None])[0]
        chosen = logits[streams, targets.astype(np.int64)].sum()
        (gradient,) = torch.autograd.grad(chosen, vectors)
    # In float64, since the squares of small numbers would be none in float32.
    norms: npt.NDArray[np.float64] = gradient.cpu().double().norm(dim=2).numpy().T
    return norms


def input_vectors(model: LanguageModel, inputs: Tensor) -> Tensor:
    """The vectors (T, B, I) that ids (T, B) stand for: rows of the embedding, or one-hot."""
    if model.embedding is not None:
        return F.embedding(inputs, model.embedding.weight).detach()
    weight = model.output.weight
    return F.one_hot(inputs, model.config.vocabulary_size).to(weight.dtype)
