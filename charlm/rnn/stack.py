"""Recurrent layers on top of one another."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charlm.config import ModelConfig
from charlm.errors import UsageError, look_up
from charlm.rnn import builtin, fused, scratch
from charlm.rnn.cells import CELLS, Cell, State
from charlm.rnn.dropout import locked_dropout, locked_mask
from charlm.rnn.layer import Backend, LayerWeights

BACKENDS: dict[str, Backend] = {"scratch": scratch, "builtin": builtin, "fused": fused}


def make_cell(config: ModelConfig) -> Cell:
    """The model's cell, in the form that it asks for."""
    return look_up(CELLS, config.cell, "cell")(config.reset_after)


def choose_backend(config: ModelConfig, backend: str = "auto", device: str = "cpu") -> str:
    """The backend's name; "auto" is the fastest one that has the cell.

    Args:
        device: cpu, cuda or mps, where the model will live.

    Raises:
        UsageError: there is no such backend, or it lacks the cell in this form.
    """
    cell = make_cell(config)
    able = [name for name, each in BACKENDS.items() if each.supports(cell)]
    if backend == "auto":
        # As `charlm bench` measures: on the CPU torch hands the lstm, alone, to oneDNN as a whole;
        # on other devices, and where fused's arithmetic is not compiled, torch's kernels win too.
        fused_wins = fused.COMPILED and device == "cpu" and config.cell != "lstm"
        fastest_first = ("fused" if fused_wins else "builtin", "builtin", "scratch")
        return next(name for name in fastest_first if name in able)
    look_up(BACKENDS, backend, "backend")
    if backend not in able:
        # Only the gru has two forms.
        form = " that resets before the product (--no-reset-after)" if cell.name == "gru" else ""
        raise UsageError(
            f"The {backend} backend has no {cell.name}{form}.", f"Use --backend {able[0]}, or auto."
        )
    return backend


class RecurrentStack(nn.Module):
    """The recurrent layers of a model. It owns the weights; a backend computes with them.

    In training, dropout on the first layer's input and between layers is locked (one mask for all
    steps of a stream; Gal & Ghahramani 2016), and so is DropConnect on the recurrent matrices
    (Merity et al. 2018). Masks are drawn anew for each window.

    Weights have torch's names (`weight_ih_l0`, …) and layout for every backend, so that what one
    trained another loads.

    Args:
        input_size: size of the first layer's input, or of the one-hot vectors that ids stand for.
    """

    def __init__(self, config: ModelConfig, input_size: int, backend: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.cell = make_cell(config)
        self.backend = choose_backend(config, backend)
        rows = len(self.cell.gates) * config.hidden_size
        for layer in range(config.num_layers):
            columns = config.hidden_size if layer else input_size
            shapes = ((rows, columns), (rows, config.hidden_size), (rows,), (rows,))
            for name, shape in zip(weight_names(layer), shapes, strict=True):
                self.register_parameter(name, nn.Parameter(torch.empty(*shape)))

    def layer_weights(self, layer: int) -> LayerWeights:
        return LayerWeights(*(getattr(self, name) for name in weight_names(layer)))

    def initial_state(self, batch_size: int) -> State:
        """Zeros, each (L, B, H)."""
        shape = (self.config.num_layers, batch_size, self.config.hidden_size)
        weight = self.get_parameter("weight_hh_l0")
        return tuple(weight.new_zeros(shape) for _ in self.cell.states)

    def forward(
        self, inputs: Tensor, state: State, vectors: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Outputs of the last layer (T, B, H) and the new state, each (L, B, H).

        Args:
            inputs: vectors (T, B, I) or ids (T, B).
            state: each (L, B, H).
            vectors: what the ids stand for, (V, I); None means one-hot vectors.
        """
        backend = BACKENDS[self.backend]
        outputs, last_states = inputs, []
        for layer in range(self.config.num_layers):
            weights = self.layer_weights(layer)
            if layer == 0:
                outputs, W = self._read(inputs, vectors, weights.W)
                weights = weights._replace(W=W)
            else:
                outputs = locked_dropout(outputs, self.config.dropout, self.training)
            if self.training and self.config.weight_drop:
                weights = weights._replace(U=F.dropout(weights.U, self.config.weight_drop))
            outputs, last = backend.run_layer(
                self.cell, outputs, tuple(s[layer] for s in state), weights
            )
            last_states.append(last)
        return outputs, tuple(torch.stack(each) for each in zip(*last_states, strict=True))

    def _read(self, inputs: Tensor, vectors: Tensor | None, W: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer's input and weight, with input dropout: vectors, or ids and a table."""
        p = self.config.input_dropout if self.training else 0.0
        if inputs.is_floating_point():
            return locked_dropout(inputs, p, self.training), W
        T, B = inputs.shape
        if vectors is None:
            if not p:
                return inputs, W
            # A mask over one-hot vectors drops whole characters: they read a column of zeros.
            mask = locked_mask(W, (B, W.shape[1]), p)
            kept = mask.gather(1, inputs.t()).t() > 0
            return inputs.where(kept, W.shape[1]), F.pad(W / (1 - p), (0, 1))
        # A layer W over vectors E is a layer W Eᵀ over one-hot input, which is a table to look up.
        # With a mask for each stream there is a table for each, as long as that is less work.
        V, tables = len(vectors), B if p else 1
        if not BACKENDS[self.backend].LOOKS_UP or tables * V > T * B:
            return locked_dropout(F.embedding(inputs, vectors), p, self.training), W
        if p:
            mask = locked_mask(vectors, (B, 1, vectors.shape[1]), p)
            vectors = (vectors * mask).flatten(0, 1)
            inputs = inputs + V * torch.arange(B, device=inputs.device)
        return inputs, W @ vectors.t()

    @torch.no_grad()
    def initialize(self, scheme: str, generator: torch.Generator) -> None:
        """Fill the weights.

        Args:
            scheme: "uniform" is torch's U(-1/√H, 1/√H) for all; "normal" d2l's N(0, 0.01²) with
                zero biases; "orthogonal" makes each gate's U orthogonal (Saxe et al. 2014), W
                uniform, biases zero, but 1 for the LSTM's forget gate (Jozefowicz et al. 2015).
        """
        bound = 1 / math.sqrt(self.config.hidden_size)
        for layer in range(self.config.num_layers):
            weights = self.layer_weights(layer)
            for weight in weights:
                weight.uniform_(-bound, bound, generator=generator)
            if scheme == "uniform":
                continue
            weights.b.zero_()
            weights.c.zero_()
            if scheme == "normal":
                weights.W.normal_(0, 0.01, generator=generator)
                weights.U.normal_(0, 0.01, generator=generator)
                continue
            gates = len(self.cell.gates)
            rows = zip(self.cell.gates, weights.U.chunk(gates), weights.b.chunk(gates), strict=True)
            for gate, U, b in rows:
                nn.init.orthogonal_(U, generator=generator)
                b.fill_(1.0 if gate == "f" else 0.0)


def weight_names(layer: int) -> list[str]:
    """Torch's names of a layer's weights, in the order of LayerWeights."""
    return [f"{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
