"""A compressed text is as large as the score says."""

from math import log, log2

import pytest
from compressing import OLD, run_of

import charlm
from charlm.compression.compress import compress
from charlm.compression.text_coder import parts_of

pytest.importorskip("constriction")


@pytest.mark.parametrize(
    ("length", "share"), [(3000, 5e-3), pytest.param(40_000, 5e-4, marks=pytest.mark.slow)]
)
def test_the_size_is_what_the_score_says(length: int, share: float) -> None:
    run = charlm.Run(run_of("gru"))
    corpus = (OLD / "gru" / "corpus.txt").read_text("utf-8")
    text = (corpus * (length // len(corpus) + 1))[:length]
    score = run.evaluate(charlm.Corpus.from_text(text), backend="builtin").score
    made = compress(run.language, text.encode())
    assert made.unknown == 0
    bits, expected = 8 * (len(made.content) - made.header_size), score.nats / log(2)
    # The coder's end; each part's first character; that no character is unknown, and no line end
    # another one, is learned once.
    more = 64 + 8 * parts_of(length) + 2 * log2(length)
    assert -1e-4 * expected < bits - expected < more + 1e-4 * expected
    assert abs(bits - expected) < share * expected
    assert made.header_size < 50
