"""What a CUDA device computes is what the CPU computes; skipped where there is none.

docs/gpu.md says what else to look at on a GPU that nobody has tried.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streams import sample_texts
from tolerances import assert_as_near, assert_near, error, of_window, rounding

import charlm
from charlm.config import ModelConfig, SamplingConfig, TextTrainConfig
from charlm.generation import torch_engine
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.machine.cuda_graphs import WARM_UP
from charlm.machine.device import matmul_precision
from charlm.rnn.backends import flat
from charlm.rnn.backends.choice import BACKENDS
from charlm.rnn.cells import CELLS
from charlm.tasks.language_modeling import windows
from charlm.tasks.language_modeling.readers import DeviceReader, HostReader
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training import learner as learners
from charlm.training.learner import Learner
from charlm.training.optimization import autocast

# Read when cuBLAS starts: without it the same products need not come to the same bits twice.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "batch_size": 4,
    "seq_length": 8,
    "max_steps": 40,
    "precision": "fp32",
    "train_characters": 4000,
}
# The same numbers whichever device draws them: none.
UNDROPPED = dict.fromkeys(("input_dropout", "dropout", "output_dropout", "weight_drop"), 0.0)
DROPPED = {"input_dropout": 0.1, "output_dropout": 0.2, "weight_drop": 0.3}

PAIRS = [
    (cell, backend)
    for cell in CELLS
    for backend in ("scratch", "builtin")
    if BACKENDS[backend].supports(CELLS[cell]())
]
PLAIN = [pair for pair in PAIRS if pair[1] == "builtin"]
T, B, H, LAYERS = 12, 8, 128, 2
# What rounds as many bits on the CPU: float16 has the ten bits of TF32.
LIKE = {"tf32": "fp16", "fp16": "fp16", "bf16": "bf16"}


def train(folder: Path, name: str, device: str = "cuda", **settings: Any) -> charlm.Run:
    return charlm.train(run=name, runs_dir=folder, device=device, **TINY | settings)


def assert_same_bits(*runs: charlm.Run) -> None:
    """The weights of runs are equal, bit for bit."""
    first, *others = (run.directory.load_weights() for run in runs)
    for other in others:
        for name, each in first.items():
            np.testing.assert_array_equal(each, other[name], err_msg=name)


def window_of(
    cell: str, backend: str, device: torch.device, precision: str, dtype: torch.dtype
) -> list[torch.Tensor]:
    """Logits, states and gradients of a window, in float64 on the CPU."""
    sizes = ModelConfig(
        vocabulary_size=30, cell=cell, hidden_size=H, num_layers=LAYERS, embedding_size=H
    )
    model = LanguageModel(sizes, backend)
    model.initialize("uniform", 0)
    model.to(device, dtype)
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(30, (T, B), generator=random).to(device)
    wanted = torch.rand(T, B, 30, generator=random, dtype=torch.float64).to(device, dtype)
    with matmul_precision(precision):
        with autocast(device, precision):
            logits, state = model(ids, model.initial_state(B))
        (logits.to(dtype) * wanted).sum().backward()  # type: ignore[no-untyped-call]
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    return [each.detach().cpu().double() for each in (logits, *state, *gradients)]


def exactly(cell: str) -> list[torch.Tensor]:
    return window_of(cell, "scratch", CPU, "fp32", torch.float64)


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_fp32_is_fp32(cell: str, backend: str) -> None:
    """Rounded like float32 on any processor; TF32 would be a thousand times further off."""
    mine = window_of(cell, backend, DEVICE, "fp32", torch.float32)
    tolerance = rounding(torch.float32, of_window(2 * T, H, LAYERS))
    assert_near(mine, exactly(cell), tolerance)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_a_window_on_the_gpu_is_that_of_the_cpu(cell: str, backend: str, precision: str) -> None:
    """About as far from the exact one as the CPU's, where that rounds to as many bits."""
    mine = window_of(cell, backend, DEVICE, precision, torch.float32)
    theirs = window_of(cell, "scratch", CPU, LIKE[precision], torch.float32)
    floor = rounding(torch.float32, of_window(2 * T, H, LAYERS))
    assert_as_near(mine, theirs, exactly(cell), floor)


@pytest.mark.parametrize(("cell", "backend"), PLAIN)
def test_tf32_rounds_torchs_layers_where_the_gpu_has_it(cell: str, backend: str) -> None:
    if torch.cuda.get_device_capability(DEVICE) < (8, 0):
        pytest.skip("this GPU has no TF32")
    exact = exactly(cell)
    fp32, tf32 = (
        window_of(cell, backend, DEVICE, precision, torch.float32) for precision in ("fp32", "tf32")
    )
    assert error(tf32[0], exact[0]) > 4 * error(fp32[0], exact[0])


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize(("cell", "backend"), PLAIN)
def test_torchs_layers_run_in_cudnn_and_in_float32(cell: str, backend: str, precision: str) -> None:
    """Not as a loop over single steps, and not in the float16 that autocast would have."""
    sizes = ModelConfig(vocabulary_size=30, cell=cell, hidden_size=H)
    model = LanguageModel(sizes, backend)
    model.initialize("uniform", 0)
    model.to(DEVICE)
    ids = torch.randint(30, (T, B), device=DEVICE)
    with (
        torch.profiler.profile(record_shapes=True) as profile,
        matmul_precision(precision),
        autocast(DEVICE, precision),
    ):
        raw, _, _ = model.hidden(ids, model.initial_state(B))
    called = {each.key for each in profile.key_averages()}
    assert "aten::_cudnn_rnn" in called
    assert not [name for name in called if "_cell" in name]
    assert raw.dtype == torch.float32


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_weights_lie_in_one_piece(cell: str, tmp_path: Path) -> None:
    """Training that swaps weights with their average and drops some: warnings are errors here."""
    run = train(tmp_path, "flat", cell=cell, ema_decay=0.9, num_layers=2, **DROPPED)
    model = run.model("cuda", "builtin")
    for layer in range(2):
        assert flat.is_flat(list(model.rnn.layer_weights(layer).values()))
    run.evaluate(device="cuda", dynamic=True)


@pytest.mark.parametrize(("cell", "backend"), [*PLAIN, ("gru", "scratch"), ("lstm", "scratch")])
def test_training_on_both_devices_comes_to_the_same(
    cell: str, backend: str, tmp_path: Path
) -> None:
    settings = {"backend": backend, "cell": cell, "num_layers": 2, "max_steps": 12, **UNDROPPED}
    runs = [train(tmp_path, f"on-{device}", device, **settings) for device in ("cpu", "cuda")]
    scores = [run.result["score"]["nats_per_character"] for run in runs]
    # Adam divides by the size of gradients, so that the roundings of a dozen steps grow.
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    there = runs[1].evaluate(device="cuda", backend=backend).surprise
    here = runs[1].evaluate(device="cpu").surprise
    tolerance = rounding(torch.float32, of_window(1024, 16, 2))
    np.testing.assert_allclose(there, here, rtol=tolerance, atol=tolerance)
    texts = [runs[1].generate("the ", length=40, temperature=0, device=d) for d in ("cpu", "cuda")]
    assert texts[0] == texts[1]


def test_dynamic_scores_are_exact_too(tmp_path: Path) -> None:
    run = train(tmp_path, "scored", "cpu", **UNDROPPED)
    text = charlm.Corpus.from_text("for so it will be convenient to speak of him " * 12)
    there, here = (
        run.evaluate(text, device=device, backend="builtin", dynamic=True).dynamic.surprise
        for device in ("cuda", "cpu")
    )
    tolerance = rounding(torch.float32, of_window(len(here), 16))
    np.testing.assert_allclose(there, here, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize(("cell", "backend"), [*PLAIN, ("gru", "scratch"), ("lstm", "scratch")])
def test_a_recorded_step_is_the_plain_one_bit_for_bit(
    cell: str, backend: str, precision: str, tmp_path: Path
) -> None:
    settings = {"cell": cell, "backend": backend, "precision": precision, **DROPPED}
    assert_same_bits(
        *(
            train(tmp_path, f"graphs-{graphs}", cuda_graphs=graphs, **settings)
            for graphs in (False, True)
        )
    )


@pytest.mark.parametrize("graphs", [False, True])
def test_an_interrupted_run_goes_on_bit_for_bit(graphs: bool, tmp_path: Path) -> None:
    settings = {"cuda_graphs": graphs, "cell": "lstm", **DROPPED}
    whole = train(tmp_path, "whole", **settings)
    asked = iter([False] * 15 + [True] * 100)
    cut = train(tmp_path, "cut", should_stop=lambda: next(asked), **settings)
    assert cut.directory.record.status == "interrupted"
    resumed = charlm.resume("cut", runs_dir=tmp_path, device="cuda")
    assert resumed.result["steps"] == TINY["max_steps"]
    assert_same_bits(whole, resumed)


@pytest.mark.parametrize("places", [("cpu", "cuda"), ("cuda", "cpu")])
def test_an_interrupted_run_goes_on_elsewhere(places: tuple[str, str], tmp_path: Path) -> None:
    asked = iter([False] * 15 + [True] * 100)
    train(tmp_path, "cut", places[0], should_stop=lambda: next(asked), **DROPPED)
    resumed = charlm.resume("cut", runs_dir=tmp_path, device=places[1])
    assert resumed.result["steps"] == TINY["max_steps"]
    assert np.isfinite(resumed.result["score"]["nats_per_character"])


def test_where_recording_fails_training_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(tmp_path, "plain", cuda_graphs=False, **DROPPED)
    norm = learners.gradient_norm

    def reading(weights: list[torch.nn.Parameter], most: float) -> torch.Tensor:
        found = norm(weights, most)
        if torch.cuda.is_current_stream_capturing():
            found.item()  # which cannot be recorded
        return found

    monkeypatch.setattr(learners, "gradient_norm", reading)
    with pytest.warns(UserWarning, match="No CUDA graph can be recorded"):
        failed = train(tmp_path, "failed", **DROPPED)
    assert_same_bits(plain, failed)
    # Later recordings are none the worse for it.
    monkeypatch.setattr(learners, "gradient_norm", norm)
    assert_same_bits(plain, train(tmp_path, "again", **DROPPED))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is no second CUDA device")
def test_the_second_device_computes_what_the_first_does_and_alone(tmp_path: Path) -> None:
    first = train(tmp_path, "first", "cuda:0", **DROPPED)
    before = torch.cuda.get_rng_state(0)
    torch.cuda.reset_peak_memory_stats(0)
    there = torch.cuda.memory_allocated(0)
    second = train(tmp_path, "second", "cuda:1", **DROPPED)
    assert second.generate("the ", length=100, device="cuda:1")
    assert torch.cuda.max_memory_allocated(0) == there
    assert torch.equal(torch.cuda.get_rng_state(0), before)
    assert second.result["peak_gpu_memory"] > 0
    if torch.cuda.get_device_name(0) == torch.cuda.get_device_name(1):
        assert_same_bits(first, second)


def test_a_text_on_the_host_is_read_as_one_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for reader in (DeviceReader, HostReader):
        monkeypatch.setattr(windows, "make_reader", reader)
        runs.append(train(tmp_path, reader.__name__, **DROPPED))
    assert_same_bits(*runs)


def learner_of(graphs: bool, **sizes: Any) -> Learner:
    """A learner whose epochs have twelve windows."""
    config = ModelConfig(vocabulary_size=30, hidden_size=64, embedding_size=16, **sizes)
    settings: dict[str, Any] = {"batch_size": 8, "seq_length": 16, "epochs": 9}
    train = TextTrainConfig(precision="tf32", cuda_graphs=graphs, **settings)
    ids = np.random.default_rng(0).integers(0, 30, 13 * 8 * 16, dtype=np.uint8)
    model = LanguageModel(config, "builtin")
    model.initialize("uniform", 0)
    model.to(DEVICE)
    return Learner(LanguageModeling(model, ids, ids[:0], train), train)


def run_epoch(learner: Learner, epoch: int) -> None:
    count = learner.task.load_epoch(epoch)
    for window in range(count):
        learner.step(window, 1e-3)
    learner.totals.end_epoch(count)
    learner.zero_state()


@pytest.mark.parametrize("graphs", [False, True])
def test_no_step_waits_for_the_device(graphs: bool) -> None:
    """Torch says so itself; a recording does wait, once."""
    learner = learner_of(graphs, **DROPPED)
    learner.task.load_epoch(0)
    for window in range(WARM_UP + 1):
        learner.step(window, 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for epoch in (0, 1, 2):
            run_epoch(learner, epoch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.is_finite(weights=True)


@pytest.mark.parametrize("graphs", [False, True])
def test_memory_stays_the_same(graphs: bool) -> None:
    learner, taken = learner_of(graphs, **DROPPED), []
    for epoch in range(12):
        run_epoch(learner, epoch)
        if epoch in (1, 11):
            torch.cuda.synchronize(DEVICE)
            taken.append((torch.cuda.memory_allocated(DEVICE), torch.cuda.memory_reserved(DEVICE)))
    assert taken[0] == taken[1]


@pytest.mark.parametrize("temperature", [0, 0.8])
@pytest.mark.parametrize("texts", [1, 5])
def test_text_by_replayed_steps_is_that_of_plain_ones(
    texts: int, temperature: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(tmp_path, "written")
    model = run.model("cuda")
    ids = run.vocabulary.encode("the ")
    sampling = SamplingConfig(length=600, temperature=temperature, seed=0, num_samples=texts)
    recorded = sample_texts(TorchEngine(model), run.vocabulary, ids, sampling)
    monkeypatch.setattr(torch_engine, "WORTH_RECORDING", 1_000_000)
    assert sample_texts(TorchEngine(model), run.vocabulary, ids, sampling) == recorded


def test_training_goes_on_after_writing(tmp_path: Path) -> None:
    """Both record graphs, which share tensors for random numbers."""
    run = train(tmp_path, "first", **DROPPED)
    engine = TorchEngine(run.model("cuda"))
    sampling = SamplingConfig(length=600, seed=0)
    ids = run.vocabulary.encode("the ")
    written = sample_texts(engine, run.vocabulary, ids, sampling)
    assert_same_bits(run, train(tmp_path, "second", **DROPPED))
    assert sample_texts(engine, run.vocabulary, ids, sampling) == written
