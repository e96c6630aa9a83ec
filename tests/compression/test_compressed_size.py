"""A compressed text is as large as the score says."""

from math import log, log2

import numpy as np
import pytest
from compressing import OLD, run_of

import charlm
from charlm.compression.compress import compress
from charlm.compression.text_coder import parts_of
from charlm.language_model import LanguageModel
from charlm.mixing.mixture import Mixture
from charlm.scoring.exact import log_probabilities

pytest.importorskip("constriction")


def mixed_nats(run: charlm.Run, text: str) -> float:
    """-ln p of a text in parts, which the mixture reads side by side, by torch's network."""
    ids, parts = run.vocabulary.encode(text), parts_of(len(text))
    length = -(-len(ids) // parts)
    pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
    model = run.model(backend="builtin")
    assert isinstance(model, LanguageModel)
    counts = np.array([run.vocabulary.unknown_count, *run.vocabulary.counts]) + 1.0
    first = np.log(counts / counts.sum())[None]
    logs = [
        np.concatenate(
            [first, *(each.double().numpy() for each in log_probabilities(model, piece))]
        )
        for piece in pieces
    ]
    mixture = Mixture(len(counts), [length] * parts, np.empty(0, np.int64))
    nats = 0.0
    for step in range(length):
        for number, piece in enumerate(pieces):
            if step < len(piece):
                nats -= log(mixture.predict(logs[number][step], number)[piece[step]])
                mixture.follow(int(piece[step]), number)
    return nats


@pytest.mark.parametrize(
    ("length", "share"), [(3000, 5e-3), pytest.param(40_000, 5e-4, marks=pytest.mark.slow)]
)
def test_the_size_is_what_the_score_says(length: int, share: float) -> None:
    run = charlm.Run(run_of("gru"))
    corpus = (OLD / "gru" / "corpus.txt").read_text("utf-8")
    text = (corpus * (length // len(corpus) + 1))[:length]
    made = compress(run.language, text.encode())
    assert made.unknown == 0
    bits = 8 * (len(made.content) - made.header_size)
    expected = mixed_nats(run, text) / log(2)
    alone = run.evaluate(charlm.Corpus.from_text(text), backend="builtin").score.nats / log(2)
    assert expected < 0.5 * alone  # The text repeats itself.
    # The coder's end; that no character is unknown, and no line end
    # another one, is learned once.
    more = 64 + 2 * log2(length)
    assert -1e-4 * expected < bits - expected < more + 1e-4 * expected
    assert abs(bits - expected) < max(share * expected, more)
    assert made.header_size < 50
