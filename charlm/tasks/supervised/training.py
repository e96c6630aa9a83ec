"""The training of an encoder on labelled sequences."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.distributed.world import ALONE, World
from charlm.machine.device import matmul_precision, to_device
from charlm.rnn.cells import State
from charlm.rnn.dropout import drawn_for
from charlm.rnn.encoder import Encoder
from charlm.scoring.score import Score
from charlm.tasks.supervised.examples import Sequences, batches_by_length, batches_of_epoch
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.training.optimization import autocast
from charlm.training.task import WindowLoss, never

# Sequences that are scored at a time.
SCORED_TOGETHER = 256

# From outputs (B, C) and targets (B,) to the mean loss.
Loss = Callable[[Tensor, Tensor], Tensor]
# From outputs (examples, C) and targets (examples,) to a score.
MakeScore = Callable[[npt.NDArray[np.float32], npt.NDArray[np.generic]], Score]


class EncoderTraining:
    """Batches of sequences by length, a loss of the encoder's outputs, and a held-out score.

    Args:
        train, held_out: the sequences of each part; held_out may be empty.
        targets, held_out_targets: of each sequence, (examples,).
        loss: what is minimized.
        make_score: the score of outputs.
        worst_loss: mean loss beyond which nothing is being learned.
        weigh: what a mean loss over examples with such targets is divided by; by default how many
            they are.
        world: the processes that share batches and scores.
    """

    same_shapes = False

    def __init__(
        self,
        model: Encoder,
        train: Sequences,
        targets: npt.NDArray[np.generic],
        held_out: Sequences,
        held_out_targets: npt.NDArray[np.generic],
        config: EncoderTrainConfig,
        loss: Loss,
        make_score: MakeScore,
        worst_loss: float,
        weigh: Callable[[npt.NDArray[np.generic]], float] = len,
        world: World = ALONE,
    ) -> None:
        self.numbers, self.weigh, self.world = targets, weigh, world
        self.model = model
        self.device = next(model.parameters()).device
        self.train, self.held_out = train, held_out
        self.targets = to_device(targets, self.device)
        self.held_out_targets = held_out_targets
        self.config = config
        self.compute_loss, self.make_score, self.worst_loss = loss, make_score, worst_loss
        self.items_per_step = min(config.batch_size, len(train))
        self.autocast = autocast(self.device, config.precision)
        self.batches: list[npt.NDArray[np.int64]] = []
        self.only_batch: tuple[Tensor, ...] = ()
        self.items, self.part, self.share = 0, 1.0, world.share(1)

    @property
    def holds_out(self) -> bool:
        return len(self.held_out) > 0

    def load_epoch(self, epoch: int) -> int:
        size, seed = self.config.batch_size, self.config.seed
        self.batches = batches_of_epoch(self.train.lengths, size, seed, epoch)
        return len(self.batches)

    def initial_state(self) -> State:
        """None: no sequence goes on in another."""
        return ()

    def batch(self, window: int) -> tuple[Tensor, ...]:
        """Inputs (T, B) or (T, B, I), targets (B,), and lengths (B,) where they differ."""
        rows = self.own_rows(window)
        if len(self.batches) > 1:
            return self.gather(rows, self.batches[window])
        # The same in every epoch.
        self.only_batch = self.only_batch or self.gather(rows, rows)
        return self.only_batch

    def own_rows(self, window: int) -> npt.NDArray[np.int64]:
        """This process's examples of a batch, by whose share of it its loss is going to count."""
        whole = self.batches[window]
        self.items, self.share = len(whole), self.world.share(len(whole))
        rows = whole[self.share.rows]
        if len(rows) < len(whole):
            mine, all_together = self.weigh(self.numbers[rows]), self.weigh(self.numbers[whole])
            self.part = self.share.part(mine, all_together)
        else:
            self.part = 1.0
        return rows

    def gather(
        self, rows: npt.NDArray[np.int64], beside: npt.NDArray[np.int64]
    ) -> tuple[Tensor, ...]:
        """The same, of some examples, padded to the longest of those that are `beside` them."""
        longest = int(self.train.lengths[beside].max())
        inputs, lengths = self.train.batch(rows, self.device, longest)
        targets = self.targets[to_device(rows, self.device)]
        return (inputs, targets) if lengths is None else (inputs, targets, lengths)

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        with drawn_for(self.share):
            loss = self.adversarial_loss(*batch)
        return WindowLoss(loss, (), self.items, share=self.part)

    def adversarial_loss(self, inputs: Tensor, targets: Tensor, *lengths: Tensor) -> Tensor:
        """The mean loss of a batch, and of one that was moved, if that is asked for."""
        far = self.config.adversarial
        vectors = self.model.look_up(inputs) if far else inputs
        loss = self.loss_of(vectors, targets, *lengths)
        if far:
            moved = vectors + far * self.model.usual_length * steepest(loss, vectors)
            loss = (loss + self.loss_of(moved, targets, *lengths)) / 2
        return loss

    def loss_of(self, inputs: Tensor, targets: Tensor, *lengths: Tensor) -> Tensor:
        """The mean loss of a batch."""
        with self.autocast:
            outputs = self.model(inputs, *lengths)
        return self.compute_loss(outputs.float(), targets)

    def evaluate(self, should_stop: Callable[[], bool]) -> Score | None:
        held_out = self.held_out, self.held_out_targets
        return score_by_batches(self.model, *held_out, self.make_score, should_stop, self.world)


class HeadTraining(EncoderTraining):
    """The training of an encoder's output layer alone, on features that are computed once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(name.startswith("output."))

    # Computed when they are first asked for: a run that goes on has its weights by then.

    @cached_property
    def features(self) -> Tensor:
        """Of the training part, (examples, D·H)."""
        return torch.from_numpy(features_of(self.model, self.train, self.world)).to(self.device)

    @cached_property
    def held_out_features(self) -> Tensor:
        """Of the held-out part."""
        return torch.from_numpy(features_of(self.model, self.held_out, self.world)).to(self.device)

    def load_epoch(self, epoch: int) -> int:
        size, seed = self.config.batch_size, self.config.seed
        alike = np.ones(len(self.train), dtype=np.int64)
        self.batches = batches_of_epoch(alike, size, seed, epoch)
        return len(self.batches)

    def batch(self, window: int) -> tuple[Tensor, ...]:
        """Features (B, D·H) and targets (B,)."""
        rows = to_device(self.own_rows(window), self.device)
        return self.features[rows], self.targets[rows]

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        features, targets = batch
        with drawn_for(self.share):
            outputs = self.model.head(features)
        loss = self.compute_loss(outputs, targets)
        return WindowLoss(loss, (), self.items, share=self.part)

    @torch.no_grad()
    def evaluate(self, should_stop: Callable[[], bool]) -> Score | None:
        with matmul_precision("fp32"):
            outputs = self.model.head(self.held_out_features)
        return self.make_score(outputs.cpu().numpy(), self.held_out_targets)


def steepest(loss: Tensor, vectors: Tensor) -> Tensor:
    """The direction in which a loss grows fastest, of length 1 over each sequence, (T, B, E).

    Adversarial training of texts (Miyato, Dai & Goodfellow 2017).

    Args:
        vectors: (T, B, E), from which the loss was computed.
    """
    (gradient,) = torch.autograd.grad(loss, vectors, retain_graph=True)
    length: Tensor = torch.linalg.vector_norm(gradient, dim=(0, 2), keepdim=True)
    direction: Tensor = gradient / length.clamp(min=torch.finfo(gradient.dtype).tiny)
    return direction


def features_of(
    model: Encoder, sequences: Sequences, world: World = ALONE
) -> npt.NDArray[np.float32]:
    """What an encoder's recurrent layers say of each sequence, (examples, features)."""
    found = np.zeros((len(sequences), model.config.features), dtype=np.float32)
    for rows, features in by_batches(model, sequences, model.features, world):
        found[rows] = features
    return world.add(found)


def all_outputs(
    model: Encoder, sequences: Sequences, world: World = ALONE
) -> npt.NDArray[np.float32]:
    """An encoder's outputs for sequences, (examples, C)."""
    found = np.zeros((len(sequences), model.config.output_size), dtype=np.float32)
    for rows, outputs in by_batches(model, sequences, model, world):
        found[rows] = outputs
    return world.add(found)


def score_by_batches(
    model: Encoder,
    sequences: Sequences,
    targets: npt.NDArray[np.generic],
    make_score: MakeScore,
    should_stop: Callable[[], bool] = never,
    world: World = ALONE,
) -> Score | None:
    """The score of an encoder's outputs, by batches; None once asked to stop.

    One process never has all outputs in memory. Several send one another theirs, and all of them
    add up the same batches in the same order.
    """
    batches = by_batches(model, sequences, model, world)
    if world.size > 1:
        found = np.zeros((len(sequences), model.config.output_size), dtype=np.float32)
        stopped = False
        for rows, outputs in batches:
            found[rows], stopped = outputs, should_stop()
            if stopped:
                break
        if world.any(stopped):
            return None
        found = world.add(found)
        by_length = batches_by_length(sequences.lengths, SCORED_TOGETHER)
        batches = ((rows, found[rows]) for rows in by_length)
    score: Any = None
    for rows, outputs in batches:
        if world.size == 1 and should_stop():
            return None
        mine = make_score(outputs, targets[rows])
        score = mine if score is None else score + mine
    return cast("Score", score)


def by_batches(
    model: Encoder,
    sequences: Sequences,
    compute: Callable[[Tensor, Tensor | None], Tensor],
    world: World = ALONE,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """What `compute` makes of sequences and their lengths, in evaluation mode, batch by batch.

    Yields:
        The numbers of some examples, (B,), and what was computed of them, (B, size); of several
        processes each yields its own batches.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for number, rows in enumerate(batches_by_length(sequences.lengths, SCORED_TOGETHER)):
            if not world.is_mine(number):
                continue
            inputs, lengths = sequences.batch(rows, device)
            with torch.no_grad(), matmul_precision("fp32"):
                found = compute(inputs, lengths).float().cpu().numpy()
            yield rows, found
    finally:
        model.train(was_training)
