"""What a CUDA device computes is what the CPU computes; skipped where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from streams import sample_texts

import charlm
from charlm.config import SamplingConfig
from charlm.generation import torch_engine
from charlm.generation.torch_engine import TorchEngine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
TINY = {"hidden_size": 16, "batch_size": 4, "seq_length": 8, "max_steps": 12, "precision": "fp32"}
# The same numbers whichever device or path draws them: none.
UNDROPPED = TINY | {
    "input_dropout": 0.0,
    "dropout": 0.0,
    "output_dropout": 0.0,
    "weight_drop": 0.0,
    "train_characters": 4000,
}


@pytest.mark.parametrize("backend", ["scratch", "builtin"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_training_on_both_devices_comes_to_the_same(
    cell: str, backend: str, tmp_path: Path
) -> None:
    runs = [
        charlm.train(
            run=f"on-{device}",
            runs_dir=tmp_path,
            device=device,
            backend=backend,
            cell=cell,
            num_layers=2,
            **UNDROPPED,
        )
        for device in ("cpu", "cuda")
    ]
    scores = [run.result["score"]["nats_per_character"] for run in runs]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    there = runs[1].evaluate(device="cuda", backend=backend).surprise
    np.testing.assert_allclose(there, runs[1].evaluate(device="cpu").surprise, rtol=1e-3, atol=1e-4)
    texts = [runs[1].generate("the ", length=40, temperature=0, device=d) for d in ("cpu", "cuda")]
    assert texts[0] == texts[1]


def test_an_interrupted_run_goes_on_on_the_device(tmp_path: Path) -> None:
    asked = iter([False] * 5 + [True] * 100)
    run = charlm.train(
        runs_dir=tmp_path, run="cut", device="cuda", should_stop=lambda: next(asked), **TINY
    )
    assert run.directory.record.status == "interrupted"
    assert charlm.resume("cut", runs_dir=tmp_path, device="cuda").result["steps"] == 12


@pytest.mark.parametrize("backend", ["scratch", "builtin"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recorded_step_is_the_plain_one(
    cell: str, backend: str, precision: str, tmp_path: Path
) -> None:
    runs = [
        charlm.train(
            run=f"graphs-{graphs}",
            runs_dir=tmp_path,
            device="cuda",
            backend=backend,
            cell=cell,
            cuda_graphs=graphs,
            **UNDROPPED | {"max_steps": 40, "precision": precision},
        )
        for graphs in (False, True)
    ]
    scores = [run.result["score"]["nats_per_character"] for run in runs]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


@pytest.mark.parametrize("temperature", [0, 0.8])
@pytest.mark.parametrize("texts", [1, 5])
def test_text_by_replayed_steps_is_that_of_plain_ones(
    texts: int, temperature: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = charlm.train(runs_dir=tmp_path, run="written", device="cuda", **TINY)
    model = run.model("cuda")
    ids = run.vocabulary.encode("the ")
    sampling = SamplingConfig(length=600, temperature=temperature, seed=0, num_samples=texts)
    recorded = sample_texts(TorchEngine(model), run.vocabulary, ids, sampling)
    monkeypatch.setattr(torch_engine, "WORTH_RECORDING", 1_000_000)
    assert sample_texts(TorchEngine(model), run.vocabulary, ids, sampling) == recorded
