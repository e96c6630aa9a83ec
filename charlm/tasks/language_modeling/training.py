"""What the trainer trains for the task `language-model`: predicting the next token."""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from charlm.config import TextTrainConfig
from charlm.distributed.world import ALONE, World
from charlm.language_model import LanguageModel
from charlm.rnn.cells import State
from charlm.rnn.dropout import drawn_for
from charlm.scoring.cross_entropy import TokenCrossEntropy
from charlm.scoring.exact import score
from charlm.tasks.language_modeling.document_windows import DocumentWindows
from charlm.tasks.language_modeling.windows import Windows
from charlm.text.mapped_ids import TokenIds
from charlm.text.tokens import CHARACTERS
from charlm.training.optimization import autocast
from charlm.training.task import WindowLoss

# As a multiple of ln V, the loss of a uniform guess. A high learning rate may cost two or three
# times that for a while; at five times, the weights are of no use even if they are finite.
WORST_SHARE = 5.0


class LanguageModeling:
    """Cross-entropy on windows of a training split, and the exact score of held-out text.

    Args:
        train: ids of the training split, (tokens,).
        held_out: ids to score; fewer than two mean that nothing is held out.
        units: what ids stand for.
        world: the processes that share windows and scores.
    """

    def __init__(
        self,
        model: LanguageModel,
        train: TokenIds,
        held_out: TokenIds,
        config: TextTrainConfig,
        units: str = CHARACTERS,
        world: World = ALONE,
    ) -> None:
        world.check_batch(config.batch_size)
        device = next(model.parameters()).device
        shape = (config.batch_size, config.seq_length)
        document_id = model.config.document_id
        self.windows: Windows | DocumentWindows = (
            DocumentWindows(np.asarray(train), document_id, *shape, config.seed, device, world)
            if document_id
            else Windows(
                train,
                *shape,
                config.sampling,
                config.seed,
                random_lengths=config.random_lengths,
                reset_probability=config.reset_probability,
                device=device,
                world=world,
            )
        )
        self.config = config
        self.model = model
        self.held_out = held_out
        self.units = units
        self.world = world
        self.items, self.part, self.share = 0, 1.0, world.share(self.windows.lanes)
        self.all_streams = torch.ones(self.windows.lanes, 1, dtype=torch.bool, device=device)
        self.no_streams = ~self.all_streams
        self.same_shapes = not (config.random_lengths or document_id)
        self.items_per_step = config.batch_size * config.seq_length
        self.worst_loss = WORST_SHARE * math.log(model.config.vocabulary_size)
        self.autocast = autocast(device, config.precision)

    @property
    def holds_out(self) -> bool:
        return len(self.held_out) > 1

    def load_epoch(self, epoch: int) -> int:
        self.windows.load(epoch)
        return self.windows.count

    def initial_state(self) -> State:
        return self.model.initial_state(self.windows.lanes)

    def batch(self, window: int) -> tuple[Tensor, ...]:
        """Inputs and targets (T, B), and which streams start from a zero state, bool (B, 1)."""
        each = self.windows[window]
        resets = each.resets if each.continues else self.all_streams
        resets = self.no_streams if resets is None else resets
        # What the host knows, and `loss` must not ask the device for.
        self.items, self.part, self.share = each.items, each.part, each.share
        return each.inputs, each.targets, resets[: each.inputs.shape[1]]

    def loss(self, batch: tuple[Tensor, ...], state: State) -> WindowLoss:
        inputs, targets, resets = batch
        # Of documents there may be fewer side by side than there is room for.
        B, room = inputs.shape[1], state[0].shape[1]
        state = tuple(each[:, :B].masked_fill(resets, 0.0) for each in state)
        with self.autocast, drawn_for(self.share):
            raw, dropped, state = self.model.hidden(inputs, state)
            logits = self.model.logits(dropped)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        state = tuple(F.pad(each, (0, 0, 0, room - B)) for each in state) if room > B else state
        return WindowLoss(loss, state, self.items, self._penalty(raw, dropped), self.part)

    def _penalty(self, raw: Tensor, dropped: Tensor) -> Tensor | None:
        """Activation and temporal activation regularization (Merity, McCann & Socher 2017).

        a · mean(dropped²) + b · mean((raw_t - raw_{t+1})²) penalizes large outputs, and outputs
        that change much from step to step.

        Args:
            raw: outputs of the last layer before dropout, (T, B, H).
            dropped: the same after dropout.
        """
        a, b = self.config.activation_penalty, self.config.temporal_penalty
        raw, dropped = raw.float(), dropped.float()
        # mse_loss takes one pass; a difference, its square and the mean would take three.
        penalties = [a * F.mse_loss(dropped, torch.zeros_like(dropped))] if a else []
        if b and len(raw) > 1:
            penalties.append(b * F.mse_loss(raw[1:], raw[:-1]))
        if not penalties:
            return None
        # A mean over positions, and not over items: some are behind a document's end.
        part = self.share.part(self.share.size, self.share.total)
        penalty = torch.stack(penalties).sum()
        return penalty if part == 1 else penalty * part

    def evaluate(self, should_stop: Callable[[], bool]) -> TokenCrossEntropy | None:
        return score(self.model, self.held_out, should_stop, self.units, self.world)
