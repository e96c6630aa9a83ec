"""Sequences in, a few numbers for each out: recurrent layers, pooling, a linear layer."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charlm.config import EncoderConfig
from charlm.rnn.dropout import dropout_of_each_step, locked_dropout
from charlm.rnn.model import RecurrentModel
from charlm.rnn.stack import RecurrentStack
from charlm.seeds import Stream, derived_seed


class Encoder(RecurrentModel):
    """Recurrent layers over a sequence of ids or of vectors, and a linear layer over what they say.

    What stands behind a sequence's end never counts: outputs there are not read, and the second
    direction of a bidirectional encoder begins at the sequence's own last step.

    Args:
        backend: what computes the recurrence; not part of the model's identity.
    """

    config: EncoderConfig

    def __init__(self, config: EncoderConfig, backend: str = "auto") -> None:
        super().__init__()
        self.config = config
        V, E = config.vocabulary_size, config.embedding_size
        reads_ids = not config.input_size
        # Without values, which torch would draw from its global generator.
        self.embedding = nn.Embedding(V, E, _weight=torch.empty(V, E)) if reads_ids and E else None
        size = config.input_size or E or V
        # Dropout of vectors is drawn anew at each step, as these texts have it, and not locked.
        one_hot = reads_ids and not E
        inner = config if one_hot else replace(config, input_dropout=0.0)
        self.rnn = RecurrentStack(inner, size, backend, config.bidirectional)
        with torch.random.fork_rng(devices=[]):
            self.output = nn.Linear(config.features, config.output_size)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The outputs of each sequence, (B, output_size).

        Args:
            inputs: ids (T, B), int64, or vectors (T, B, I).
            lengths: steps of each sequence, (B,), int64, 1 to T; None: all have T.
        """
        return self.head(self.features(inputs, lengths))

    def features(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the recurrent layers say of each sequence, (B, features), before dropout.

        Args:
            inputs: ids (T, B), or vectors (T, B, I).
        """
        vectors = None if self.embedding is None else self.embedding.weight
        p = self.config.input_dropout if self.training else 0.0
        if p and (vectors is not None or inputs.is_floating_point()):
            inputs = dropout_of_each_step(self.look_up(inputs), p)
        state = self.initial_state(inputs.shape[1])
        outputs, _ = self.rnn(inputs, state, vectors, lengths)
        return pool(outputs, lengths, self.config.encoder_pooling, len(self.rnn.directions))

    def look_up(self, inputs: Tensor) -> Tensor:
        """The vectors (T, B, E) of ids (T, B); vectors stay as they are."""
        if self.embedding is None or inputs.is_floating_point():
            return inputs
        return F.embedding(inputs, self.embedding.weight)

    @property
    def usual_length(self) -> Tensor:
        """The mean length of a vector that an id stands for, a scalar without gradient."""
        assert self.embedding is not None
        lengths: Tensor = torch.linalg.vector_norm(self.embedding.weight.detach(), dim=1)
        return lengths.mean()

    def head(self, features: Tensor) -> Tensor:
        """The outputs (B, output_size) from features (B, features), with dropout in training."""
        dropped = locked_dropout(features[None], self.config.output_dropout, self.training)[0]
        outputs: Tensor = self.output(dropped)
        return outputs

    @torch.no_grad()
    def initialize(self, scheme: str, seed: int) -> None:
        """Fill all weights from the seed.

        Args:
            scheme: of RecurrentStack. Vectors of ids are drawn from N(0, 1), as torch does, but
                with "orthogonal" from N(0, 1/E), so that their length is about 1: large ones hardly
                turn within a few epochs.
        """
        generator = torch.Generator().manual_seed(derived_seed(seed, Stream.INITIALIZATION))
        self.rnn.initialize(scheme, generator)
        bound = 1 / math.sqrt(self.output.in_features)
        self.output.weight.uniform_(-bound, bound, generator=generator)
        self.output.bias.zero_()
        if self.embedding is not None:
            std = self.config.embedding_size**-0.5 if scheme == "orthogonal" else 1.0
            self.embedding.weight.normal_(0, std, generator=generator)


def pool(outputs: Tensor, lengths: Tensor | None, pooling: str, directions: int = 1) -> Tensor:
    """One vector for each sequence, (B, features), from the outputs of all its steps (T, B, D·H).

    "last" is the state after a direction's last step: of the second direction, which reads from the
    end, that is the first position. "mean" and "max" are over the sequence's own steps, "mean-max"
    is both side by side.
    """
    if pooling == "mean-max":
        return torch.cat([pool(outputs, lengths, each) for each in ("mean", "max")], 1)
    T, B, _ = outputs.shape
    if pooling == "last":
        forward, *backward = outputs.chunk(directions, 2)
        last = forward[-1]
        if lengths is not None:
            last = forward[lengths - 1, torch.arange(B, device=outputs.device)]
        return torch.cat([last, *(each[0] for each in backward)], 1)
    if lengths is None:
        return outputs.amax(0) if pooling == "max" else outputs.mean(0)
    within = (torch.arange(T, device=outputs.device)[:, None] < lengths).unsqueeze(2)
    if pooling == "max":
        return outputs.masked_fill(~within, -math.inf).amax(0)
    # Not a product with the mask, which garbage such as NaN would survive.
    return outputs.masked_fill(~within, 0.0).sum(0) / lengths.unsqueeze(1)
