"""Language models whose memory is known, since their weights are made by hand."""

import numpy as np
import torch

from charlm.config import ModelConfig
from charlm.language_model import LanguageModel
from charlm.text.vocabulary import Ids


@torch.no_grad()
def shift_register(V: int, k: int, last: float = 0.0, backend: str = "auto") -> LanguageModel:
    """An rnn that holds the last k + 1 characters, and predicts the one k places before the last.

    Its units are k + 1 slots of V each. A character enters the first slot as a one-hot vector, and
    each step hands every slot on to the next, so that after k + 1 steps nothing is left of it.

    Args:
        last: how much the logits depend on the last character too.
    """
    H = V * (k + 1)
    model = LanguageModel(
        ModelConfig(vocabulary_size=V, cell="rnn", hidden_size=H, embedding_size=0), backend
    )
    for each in model.parameters():
        each.zero_()
    weights = dict(model.named_parameters())
    weights["rnn.weight_ih_l0"][:V] = torch.eye(V)
    weights["rnn.weight_hh_l0"][V:, :-V] = torch.eye(H - V)
    weights["output.weight"][:, -V:] = 200 * torch.eye(V)
    weights["output.weight"][:, :V] += last * torch.eye(V)
    return model.eval()


@torch.no_grad()
def leaking_unit(V: int, keep: float) -> LanguageModel:
    """A mingru of one unit that keeps this share of its state: h' = keep h + (1 - keep) w x."""
    config = ModelConfig(vocabulary_size=V, cell="mingru", hidden_size=1, embedding_size=0)
    model = LanguageModel(config, "scratch")
    for each in model.parameters():
        each.zero_()
    weights = dict(model.named_parameters())
    weights["rnn.weight_ih_l0"][1] = torch.arange(1.0, V + 1)
    weights["rnn.bias_ih_l0"][0] = -torch.logit(torch.tensor(keep, dtype=torch.float64)).float()
    weights["output.weight"][:, 0] = 1.0
    return model.eval()


def uniform_model(V: int) -> LanguageModel:
    """A gru whose predictions are the same whatever it reads."""
    model = LanguageModel(ModelConfig(vocabulary_size=V, cell="gru", hidden_size=6))
    model.initialize("uniform", 0)
    torch.nn.init.zeros_(model.output.weight)
    torch.nn.init.zeros_(model.output.bias)
    return model.eval()


def repeating_text(V: int, period: int, characters: int, seed: int = 0) -> Ids:
    """Ids of a text that repeats its first characters, all of them different: period <= V - 1."""
    first = np.random.default_rng(seed).permutation(np.arange(1, V))[:period]
    return np.resize(first, characters).astype(np.uint8)
