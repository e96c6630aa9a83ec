"""What is called exact is computed without TF32, wherever a model computes it.

The switches are torch's own, and can be read without a GPU: a model that notes how they stand
whenever it computes, forward and back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from fake_cuda import install

from charlm.config import EncoderConfig, ModelConfig, TextTrainConfig
from charlm.generation import torch_engine
from charlm.generation.reading import read
from charlm.generation.torch_engine import TorchEngine
from charlm.inspection.activity import record_activity
from charlm.inspection.context import context_loss
from charlm.inspection.sensitivity import dependence, sensitivity
from charlm.language_model import LanguageModel
from charlm.machine.cuda_graphs import WARM_UP
from charlm.rnn.encoder import Encoder
from charlm.rnn.stack import RecurrentStack
from charlm.scoring.calibration import choose
from charlm.scoring.dynamic import DynamicConfig, dynamic_surprise, mean_squares
from charlm.scoring.exact import score, surprise
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.training import all_outputs
from charlm.training.learner import Learner

Switches = tuple[Any, Any]


def switches() -> Switches:
    backends = torch.backends
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        return backends.cuda.matmul.fp32_precision, backends.cudnn.rnn.fp32_precision
    return backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32


EXACT: set[Switches] = {("ieee", "ieee"), (False, False)}
ROUNDED: set[Switches] = {("tf32", "tf32"), (True, True)}


@contextmanager
def watched() -> Iterator[list[Switches]]:
    """How the switches stand whenever recurrent layers or their gradients are computed."""
    seen: list[Switches] = []

    def note(*_: object) -> None:
        seen.append(switches())

    def after(module: torch.nn.Module, inputs: object, outputs: Any) -> None:
        note()
        if isinstance(outputs, tuple) and outputs[0].requires_grad:
            outputs[0].register_hook(note)

    with pytest.MonkeyPatch.context() as patch:
        plain = RecurrentStack.forward

        def forward(self: RecurrentStack, *given: Any, **named: Any) -> Any:
            outputs = plain(self, *given, **named)
            after(self, given, outputs)
            return outputs

        patch.setattr(RecurrentStack, "forward", forward)
        yield seen


def model_of(embedding_size: int = 0) -> LanguageModel:
    sizes = ModelConfig(vocabulary_size=9, hidden_size=6, embedding_size=embedding_size)
    model = LanguageModel(sizes, "scratch")
    model.initialize("uniform", 0)
    return model.eval()


IDS = np.random.default_rng(0).integers(1, 9, 300, dtype=np.uint8)


def write(model: LanguageModel) -> None:
    engine = TorchEngine(model)
    beginning = read(engine, [IDS[:5]])
    engine.generate_block(beginning.logits, beginning.state, np.full((3, 1), 0.5), 0.8)


def predict(model: LanguageModel) -> None:
    encoder = Encoder(EncoderConfig(vocabulary_size=9, hidden_size=5), "scratch")
    encoder.initialize("uniform", 0)
    all_outputs(encoder, Sequences(IDS, np.array([0, 4]), np.array([4, 9])))


WORKS: dict[str, Callable[[LanguageModel], object]] = {
    "a score": lambda model: score(model, IDS),
    "surprise": lambda model: surprise(model, IDS),
    "statistics for a dynamic score": lambda model: mean_squares(model, IDS, 20),
    "a dynamic score": lambda model: dynamic_surprise(
        model, IDS, [torch.ones_like(each) for each in model.parameters()], DynamicConfig(window=50)
    ),
    "a calibration": lambda model: choose(model, IDS[:100], IDS[100:]),
    "writing": write,
    "predicting": predict,
    "context": lambda model: context_loss(model, IDS, targets=3),
    "sensitivity": lambda model: sensitivity(model, IDS, lags=5, targets=3),
    "dependence": lambda model: dependence(model, IDS, np.array([70, 90]), 20),
}


@pytest.mark.parametrize("work", WORKS)
def test_what_is_exact_is_not_rounded_to_tf32(work: str) -> None:
    before = switches()
    with watched() as seen:
        WORKS[work](model_of())
    assert seen and set(seen) <= EXACT
    assert switches() == before


def test_activity_is_read_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs the layers one by one."""
    seen, plain = [], RecurrentStack.prepare_layer

    def prepare_layer(self: RecurrentStack, *given: Any) -> Any:
        seen.append(switches())
        return plain(self, *given)

    monkeypatch.setattr(RecurrentStack, "prepare_layer", prepare_layer)
    record_activity(model_of(), IDS)
    assert seen and set(seen) <= EXACT


@pytest.mark.parametrize(
    ("precision", "wanted"), [("fp32", EXACT), ("tf32", ROUNDED), ("bf16", ROUNDED)]
)
def test_a_step_of_training_is_as_its_precision_says(precision: str, wanted: set[Switches]) -> None:
    config = TextTrainConfig(batch_size=2, seq_length=5, epochs=1, precision=precision)
    learner = Learner(LanguageModeling(model_of(), IDS, IDS[:0], config), config)
    learner.task.load_epoch(0)
    with watched() as seen:
        learner.step(0, 0.1)
    # Forward and back.
    assert len(seen) == 2 and set(seen) <= wanted


def test_long_blocks_are_recorded_exactly_and_not_in_inference_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A graph's tensors for random numbers are shared with the graphs that training records."""
    cuda = install(monkeypatch)
    engine = TorchEngine(model_of())
    beginning = read(engine, [IDS[:5]])
    draws = np.full((torch_engine.WORTH_RECORDING, 1), 0.5)

    class OnGpu:
        """The CPU under another name."""

        type, index = "cuda", 1

    class Recorder(torch_engine.CudaGraphs):
        def __init__(self, device: Any) -> None:
            super().__init__(torch.device("cuda", device.index))

    class Captured(torch_engine.CapturedFunction[Any]):
        def __init__(self, function: Any, device: Any, recorder: Any) -> None:
            super().__init__(function, torch.device("cpu"), recorder)

    monkeypatch.setattr(torch_engine, "CudaGraphs", Recorder)
    monkeypatch.setattr(torch_engine, "CapturedFunction", Captured)
    engine.device = OnGpu()  # type: ignore[assignment]
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *where, **how: tensor)
    with watched() as seen:
        for _ in range(WARM_UP + 1):
            engine.generate_block(beginning.logits, beginning.state, draws, 0.8)
    assert cuda.captured_on == [(1, 1)]
    assert cuda.inference == [False]
    assert seen and set(seen) <= EXACT
