"""No speed-up changes what is learned: the same run on every backend ends at the same score."""

from pathlib import Path

import pytest

import charlm
from charlm.config import ModelConfig
from charlm.rnn.backends.choice import available_backends


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru"])
def test_the_same_seed_comes_to_the_same_score_on_every_backend(cell: str, tmp_path: Path) -> None:
    backends = available_backends(ModelConfig(cell=cell), "cpu")
    scores = {}
    for backend in backends:
        run = charlm.train(
            runs_dir=tmp_path,
            run=backend,
            backend=backend,
            cell=cell,
            hidden_size=48,
            batch_size=16,
            seq_length=24,
            max_steps=150,
            learning_rate=5e-3,
            input_dropout=0.0,
            dropout=0.0,
            output_dropout=0.0,
            weight_drop=0.0,
            precision="fp32",
            train_characters=40_000,
        )
        assert run.directory.record.backend == backend
        scores[backend] = run.result["score"]["nats_per_character"]
    # Far below the 2.8 nats of the unigram model: something was learned that could have differed.
    assert scores["scratch"] < 2.3
    # Roundings grow as training goes on; seeds differ by several times as much.
    for backend in backends:
        assert scores[backend] == pytest.approx(scores["scratch"], rel=0.005)
