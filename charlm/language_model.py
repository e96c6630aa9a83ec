"""The language model: characters in, a distribution over the next character out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from charlm.config import ModelConfig
from charlm.rnn.cells import State
from charlm.rnn.dropout import locked_dropout
from charlm.rnn.model import RecurrentModel
from charlm.rnn.stack import RecurrentStack
from charlm.seeds import Stream, derived_seed


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """An `nn.Linear` whose creation does not advance torch's global random generator."""
    with torch.random.fork_rng(devices=[]):
        return nn.Linear(inputs, outputs, bias=bias)


class LanguageModel(RecurrentModel):
    """An embedding (or one-hot vectors), recurrent layers, and a linear layer onto the vocabulary.

    The recurrent state, tensors (L, B, H), is passed in and returned; the module keeps none.

    Args:
        config: the architecture.
        backend: "scratch", "builtin", "fused", or "auto" for the fastest. All of them compute the
            same recurrence from the same weights.
    """

    def __init__(self, config: ModelConfig, backend: str = "auto") -> None:
        super().__init__()
        self.config = config
        V, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
        # Left uninitialized: torch would draw the values from its global generator.
        self.embedding = nn.Embedding(V, E, _weight=torch.empty(V, E)) if E else None
        self.rnn = RecurrentStack(config, E or V, backend)
        # Tied embeddings of a size other than H need a projection first (Inan et al. 2017).
        needs_projection = config.tie_weights and E != H
        self.projection = linear(H, E, bias=False) if needs_projection else None
        self.output = linear(E if config.tie_weights else H, V)
        if self.embedding is not None and config.tie_weights:
            self.output.weight = self.embedding.weight

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits of the next ids, (T, B, V), and the state after the last step.

        Args:
            ids: (T, B), int64.
            state: tensors (L, B, H), from `initial_state` or from the previous window.
        """
        _, dropped, state = self.hidden(ids, state)
        return self.logits(dropped), state

    def hidden(self, ids: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Outputs of the last layer (T, B, H), before and after dropout, and the new state.

        Takes the same arguments as `forward`.
        """
        vectors = None if self.embedding is None else self.embedding.weight
        raw, state = self.rnn(ids, state, vectors)
        return raw, locked_dropout(raw, self.config.output_dropout, self.training), state

    def logits(self, dropped: Tensor) -> Tensor:
        """Logits (T, B, V) from the last layer's outputs (T, B, H) after dropout."""
        if self.projection is not None:
            dropped = self.projection(dropped)
        return self.rnn.linear(dropped, self.output)

    @torch.no_grad()
    def initialize(self, scheme: str, seed: int, counts: Sequence[int] = ()) -> None:
        """Fill all weights from the seed's initialization stream.

        Args:
            scheme: "uniform", "normal" or "orthogonal"; see `RecurrentStack.initialize`.
            seed: the run's seed.
            counts: (V,), occurrences of each character in the training text. If given and the
                scheme is "orthogonal", the output biases start at the log frequencies, so that
                the untrained model already knows which characters are rare.
        """
        generator = torch.Generator().manual_seed(derived_seed(seed, Stream.INITIALIZATION))
        self.rnn.initialize(scheme, generator)
        for layer in (self.projection, self.output):
            if layer is not None:
                std = 0.01 if scheme == "normal" else layer.in_features**-0.5 / 3**0.5
                layer.weight.normal_(0, std, generator=generator)
        self.output.bias.zero_()
        if scheme == "orthogonal" and counts:
            smoothed = torch.tensor(counts, dtype=torch.float64) + 1
            self.output.bias.copy_((smoothed / smoothed.mean()).log())
        if self.embedding is not None:
            tied = self.config.tie_weights
            std = self.config.embedding_size**-0.5 if tied else 1.0
            self.embedding.weight.normal_(0, std, generator=generator)
