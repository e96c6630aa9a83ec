"""An lstm whose weights are set by hand, so that one unit is "inside quotes", and texts for it."""

import numpy as np
import torch

from charlm.config import ModelConfig
from charlm.language_model import LanguageModel
from charlm.text.vocabulary import Ids, Vocabulary

LETTERS = "abcdefgh"
VOCABULARY = Vocabulary.build(LETTERS + " .\n“”")
UNIT = 3
LARGE = 20.0


def text_with_quotes(seed: int, characters: int) -> str:
    """Words of random letters, in sentences, lines and paragraphs, some of them in quotes."""
    random, found, length, quoted = np.random.default_rng(seed), list[str](), 0, False
    while length < characters:
        word = "".join(random.choice(list(LETTERS), random.integers(1, 8)))
        if not quoted and random.random() < 0.1:
            word, quoted = "“" + word, True
        elif quoted and random.random() < 0.1:
            word, quoted = word + "”", False
        word += random.choice([" ", ". ", "\n"], p=[0.75, 0.15, 0.1])
        if not quoted and random.random() < 0.02:
            word += "\n\n"
        found.append(word)
        length += len(word)
    return "".join(found)[:characters]


def ids_of(text: str) -> Ids:
    return VOCABULARY.encode(text, "error")


def latching(seed: int = 0, hidden_size: int = 8) -> LanguageModel:
    """Random weights, but for UNIT: its memory is 1 from “ up to ”, and else 0."""
    config = ModelConfig(
        vocabulary_size=len(VOCABULARY), cell="lstm", hidden_size=hidden_size, num_layers=1
    )
    model = LanguageModel(config)
    model.initialize("uniform", seed)
    opening, closing = (int(ids_of(each)[0]) for each in "“”")
    weights = model.rnn.layer_weights(0)
    rows = {gate: at * hidden_size + UNIT for at, gate in enumerate("ifgo")}
    with torch.no_grad():
        for row in rows.values():
            for each in (weights.W, weights.U, weights.b, weights.c):
                each[row] = 0
        weights.b[rows["i"]] = -LARGE
        weights.W[rows["i"], opening] = 2 * LARGE
        weights.b[rows["f"]] = LARGE
        weights.W[rows["f"], [opening, closing]] = -2 * LARGE
        weights.b[rows["g"]] = weights.b[rows["o"]] = LARGE
    return model.eval()
