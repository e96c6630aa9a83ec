"""Stacked recurrent layers."""

import math
from collections.abc import Callable
from itertools import product
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charlm.config import ModelConfig
from charlm.rnn.backends import builtin, flat
from charlm.rnn.backends.choice import BACKENDS, choose_backend
from charlm.rnn.cells import Cell, LayerWeights, State, Zoneout, make_cell
from charlm.rnn.dropout import dropout_mask, locked_dropout
from charlm.rnn.names import weight_name


class RecurrentStack(nn.Module):
    """The recurrent layers of a model. It owns the weights; a backend computes with them.

    In training, dropout on the first layer's input and between layers is locked (one mask for all
    steps of a stream; Gal & Ghahramani 2016), and so is DropConnect on the recurrent matrices
    (Merity et al. 2018). Masks are drawn anew for each window.

    Weights have torch's names (`weight_ih_l0`, …) and layout, whatever the backend, so that each
    backend can load what another has trained.

    Args:
        config: the architecture.
        input_size: size of the first layer's input vectors, or of one-hot vectors if it reads ids.
        backend: "scratch", "builtin", "fused", or "auto" for the fastest.
        bidirectional: a second layer beside each reads the sequences from their ends, and both
            outputs stand side by side.
    """

    def __init__(
        self,
        config: ModelConfig,
        input_size: int,
        backend: str = "auto",
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.directions = (False, True) if bidirectional else (False,)
        self.cell = make_cell(config)
        self.backend = choose_backend(config, backend)
        for layer in range(config.num_layers):
            size = len(self.directions) * config.hidden_size if layer else input_size
            for reverse in self.directions:
                for letter, shape in self.cell.weight_shapes(size, config.hidden_size).items():
                    weight = nn.Parameter(torch.empty(*shape))
                    self.register_parameter(weight_name(letter, layer, reverse), weight)

    def layer_weights(self, layer: int, reverse: bool = False) -> LayerWeights:
        """The weights of one layer, in one direction, by letter."""
        letters = self.cell.weight_shapes(1, 1)
        return LayerWeights(
            {each: getattr(self, weight_name(each, layer, reverse)) for each in letters}
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What torch calls to move or convert a module, after which each weight lies by itself."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for layer, reverse in product(range(self.config.num_layers), self.directions):
            weights = self.layer_weights(layer, reverse)
            plain = [weights[letter] for letter in flat.LETTERS if letter in weights]
            if BACKENDS[self.backend] is builtin and flat.wants_flat(self.cell.name, plain):
                flat.flatten(self.cell.name, plain)
        return self

    def initial_state(self, batch_size: int) -> State:
        """A state of zeros, tensors (L, B, H); L counts each direction of a layer."""
        layers = self.config.num_layers * len(self.directions)
        shape = (layers, batch_size, self.config.hidden_size)
        weight = self.get_parameter("weight_ih_l0")
        return tuple(weight.new_zeros(shape) for _ in self.cell.state_names)

    def forward(
        self,
        inputs: Tensor,
        state: State,
        vectors: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Outputs of the last layer (T, B, D·H) and the new state, tensors (L, B, H).

        D is the number of directions. What stands behind a sequence's end changes none of the
        outputs before it.

        Args:
            inputs: vectors (T, B, I) or ids (T, B).
            state: tensors (L, B, H), as of `initial_state`.
            vectors: the vectors that the ids stand for, (V, I); None means one-hot vectors.
            lengths: steps of each sequence, (B,), int64, where they differ: from its last one on
                the second direction reads it.
        """
        outputs, last_states = inputs, list[State]()
        for layer in range(self.config.num_layers):
            if layer:
                outputs = locked_dropout(outputs, self.config.dropout, self.training)
            sides = []
            for reverse in self.directions:
                before = tuple(each[len(last_states)] for each in state)
                given = reverse_in_time(outputs, lengths) if reverse else outputs
                side, last = self._run_layer(layer, reverse, given, before, vectors)
                sides.append(reverse_in_time(side, lengths) if reverse else side)
                last_states.append(last)
            outputs = torch.cat(sides, 2) if len(sides) > 1 else sides[0]
        return outputs, tuple(torch.stack(each) for each in zip(*last_states, strict=True))

    def linear(self, inputs: Tensor, layer: nn.Linear) -> Tensor:
        """The outputs (…, O) of a linear layer for inputs (…, I), computed by the backend."""
        return BACKENDS[self.backend].linear(inputs, layer.weight, layer.bias)

    def _run_layer(
        self, layer: int, reverse: bool, inputs: Tensor, state: State, vectors: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run one direction of a layer; shapes as of a backend's `run_layer`."""
        cell, inputs, weights = self.prepare_layer(layer, inputs, vectors, reverse)
        return BACKENDS[self.backend].run_layer(cell, inputs, state, weights)

    def prepare_layer(
        self, layer: int, inputs: Tensor, vectors: Tensor | None, reverse: bool = False
    ) -> tuple[Cell, Tensor, LayerWeights]:
        """What a backend is given to run one direction of a layer: cell, inputs and weights.

        Args:
            inputs: of that layer, vectors (T, B, I) or ids (T, B).
            vectors: as of `forward`.
        """
        zoneout, weights = self.config.zoneout, self.layer_weights(layer, reverse)
        cell = Zoneout(self.cell, zoneout, self.training) if zoneout else self.cell
        if layer == 0:
            inputs, W = self._read(inputs, vectors, weights.W)
            weights = LayerWeights(weights | {"W": W})
        if self.training and self.config.weight_drop and "U" in weights:
            p = self.config.weight_drop
            mask = dropout_mask(weights.U, weights.U.shape, p, of_weights=True)
            weights = LayerWeights(weights | {"U": weights.U * mask})
        return cell, inputs, weights

    def _read(self, inputs: Tensor, vectors: Tensor | None, W: Tensor) -> tuple[Tensor, Tensor]:
        """Apply input dropout, and choose the form in which the first layer reads its input.

        Returns:
            Vectors (T, B, I) and W; or ids (T, B) and the matrix whose columns they select, which
            takes the place of W.
        """
        p = self.config.input_dropout if self.training else 0.0
        if inputs.is_floating_point():
            return locked_dropout(inputs, p, self.training), W
        T, B = inputs.shape
        if not self.cell.looks_up_input:
            if vectors is None:
                vectors = torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
            return locked_dropout(F.embedding(inputs, vectors), p, self.training), W
        if vectors is None:
            if not p:
                return inputs, W
            # Dropout of one-hot vectors drops whole characters: they select a column of zeros.
            mask = dropout_mask(W, (B, W.shape[1]), p)
            kept = mask.gather(1, inputs.t()).t() > 0
            return inputs.where(kept, W.shape[1]), F.pad(W / (1 - p), (0, 1))
        # W applied to vectors E is W Eᵀ applied to one-hot vectors, and so a table to look up.
        # Dropout has a mask, and thus a table, for each stream. Tables pay off only if they are
        # much smaller than the window: their gradients are zeroed, added to and passed on.
        V, tables = len(vectors), B if p else 1
        if not BACKENDS[self.backend].LOOKS_UP or tables * V > T * B // 4:
            return locked_dropout(F.embedding(inputs, vectors), p, self.training), W
        if p:
            mask = dropout_mask(vectors, (B, 1, vectors.shape[1]), p)
            vectors = (vectors * mask).flatten(0, 1)
            inputs = inputs + V * torch.arange(B, device=inputs.device)
        # Cells transpose this back, and then find a contiguous row for each id.
        return inputs, F.linear(vectors, W).t()

    @torch.no_grad()
    def initialize(self, scheme: str, generator: torch.Generator) -> None:
        """Fill the weights.

        Args:
            scheme: "uniform" is torch's U(-1/√H, 1/√H) for all; "normal" d2l's N(0, 0.01²) with
                zero biases; "orthogonal" makes each gate's U orthogonal (Saxe et al. 2014), W
                uniform, biases zero, but 1 for the LSTM's forget gate (Jozefowicz et al. 2015).
        """
        bound = 1 / math.sqrt(self.config.hidden_size)
        for layer, reverse in product(range(self.config.num_layers), self.directions):
            weights = self.layer_weights(layer, reverse)
            for name, weight in weights.items():
                if name.startswith("gain"):
                    weight.fill_(1.0)
                else:
                    weight.uniform_(-bound, bound, generator=generator)
            if scheme == "uniform":
                continue
            matrices = [weights[letter] for letter in "WU" if letter in weights]
            for bias in (weights[letter] for letter in "bc" if letter in weights):
                bias.zero_()
            if scheme == "normal":
                for matrix in matrices:
                    matrix.normal_(0, 0.01, generator=generator)
                continue
            gates = self.cell.gate_names
            for U in matrices[1:]:
                for each in U.chunk(len(gates)):
                    nn.init.orthogonal_(each, generator=generator)
            for gate, b in zip(gates, weights.b.chunk(len(gates)), strict=True):
                b.fill_(1.0 if gate == "f" else 0.0)


def reverse_in_time(sequences: Tensor, lengths: Tensor | None) -> Tensor:
    """Sequences (T, B, …) from the last step to the first; what stands behind their ends stays.

    Args:
        lengths: steps of each, (B,); None: all have T.
    """
    if lengths is None:
        return sequences.flip(0)
    t = torch.arange(len(sequences), device=sequences.device)[:, None]
    source = torch.where(t < lengths, lengths - 1 - t, t)
    if sequences.dim() > 2:
        source = source.unsqueeze(2).expand_as(sequences)
    return sequences.gather(0, source)
