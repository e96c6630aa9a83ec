"""The engines compute what the model does, and NumPy's does it without torch."""

import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from cell_forms import CELL_FORMS
from streams import sample_texts, stream_text
from tolerances import alike

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import UsageError
from charlm.generation.choice import cpu_engine
from charlm.generation.engine import Array, Engine
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS
from charlm.text.vocabulary import Vocabulary

V, H = 11, 6
INPUTS = {
    "one-hot": {},
    "embedding": {"embedding_size": 5},
    "tied": {"embedding_size": H, "tie_weights": True},
    "tied-projected": {"embedding_size": 4, "tie_weights": True},
}
CONFIGS = [
    pytest.param(
        ModelConfig(V, hidden_size=H, num_layers=layers, **form, **values),
        id=f"{name}-{layers}-{inputs}",
    )
    for (name, form), layers, (inputs, values) in product(
        CELL_FORMS.items(), (1, 2, 3), INPUTS.items()
    )
] + [
    pytest.param(
        ModelConfig(V, hidden_size=H, num_layers=2, embedding_size=5, mogrifier_rank=3, **all_of),
        id=f"{name}-{next(iter(values))}",
    )
    for (name, form), values in product(
        CELL_FORMS.items(), ({"layer_norm": True}, {"zoneout": 0.3})
    )
    for all_of in [form | values]
]
SOME = [
    pytest.param(ModelConfig(V, hidden_size=H, num_layers=2, embedding_size=5, **form), id=name)
    for name, form in CELL_FORMS.items()
]
VOCABULARY = Vocabulary("abcdefghij", [1] * 10)
PREFIX = VOCABULARY.encode("bad")


def made(config: ModelConfig, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """A model whose every weight and bias matters."""
    model = LanguageModel(config, "scratch").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5, generator=generator)
    return model.to(dtype)


def weights_of(model: LanguageModel) -> dict[str, Array]:
    return {name: weight.numpy().copy() for name, weight in model.weights().items()}


def numpy_engine(model: LanguageModel) -> Engine:
    return cpu_engine(model.config, weights_of(model))


def engines(model: LanguageModel) -> dict[str, Engine]:
    return {
        "numpy": numpy_engine(model),
        "torch": TorchEngine(model),
    }


def some_ids(steps: int, texts: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, V, (steps, texts))


def arrays(state: Any) -> list[np.ndarray]:
    """Copies of all of a state's arrays, whichever engine's it is."""
    if isinstance(state, list | tuple):
        return [array for each in state for array in arrays(each)]
    return [np.array(state if isinstance(state, np.ndarray) else state.numpy())]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
@pytest.mark.parametrize("config", CONFIGS)
def test_numpy_computes_the_models_logits_and_states(
    config: ModelConfig, dtype: torch.dtype
) -> None:
    T, N = 25, 3
    near = alike(T, H + V, config.num_layers, dtype)
    model, ids = made(config, dtype), some_ids(T, N)
    with torch.no_grad():
        expected, last = model(torch.from_numpy(ids), model.initial_state(N))
    assert expected.std() > 0.1  # else any logits would do

    engine = numpy_engine(model)
    state = engine.initial_state(N)
    for t in range(T):
        logits, state = engine.step(ids[t], state)
        assert logits.shape == (N, V)
        reference = expected[t].numpy()
        np.testing.assert_allclose(logits, reference, **near, err_msg=f"{t=}")
    for i, tensor in enumerate(last):
        ours = np.stack([layer[i] for layer in state])
        np.testing.assert_allclose(ours, tensor.numpy(), **near)


@pytest.mark.parametrize("config", SOME)
def test_torch_engine_computes_the_models_logits_a_step_at_a_time(config: ModelConfig) -> None:
    model, ids = made(config), some_ids(20, 2)
    with torch.no_grad():
        expected, _ = model(torch.from_numpy(ids), model.initial_state(2))
    engine = TorchEngine(model)
    state = engine.initial_state(2)
    for t in range(20):
        logits, state = engine.step(ids[t].astype(np.uint8), state)
        np.testing.assert_allclose(logits, expected[t].numpy(), **alike(20, H + V, 2))


def test_numpy_reads_saturated_gates_without_overflow() -> None:
    """Warnings are errors here."""
    for cell in CELLS:
        model = made(ModelConfig(V, cell, H))
        with torch.no_grad():
            for weight in model.rnn.parameters():
                weight.mul_(1e4)
        ids = some_ids(5, 2)
        with torch.no_grad():
            expected, _ = model(torch.from_numpy(ids), model.initial_state(2))
        engine = numpy_engine(model)
        state = engine.initial_state(2)
        for t in range(5):
            logits, state = engine.step(ids[t], state)
            # The state of a linear cell has no bound.
            np.testing.assert_allclose(logits, expected[t].numpy(), **alike(5, H + V))


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0},
        {"temperature": 0.8, "seed": 4},
        {"temperature": 1.2, "top_k": 5, "top_p": 0.9, "min_p": 0.02, "seed": 5},
    ],
    ids=["greedy", "sampled", "filtered"],
)
@pytest.mark.parametrize("config", SOME)
def test_both_engines_write_the_same_texts(config: ModelConfig, values: dict[str, float]) -> None:
    sampling = SamplingConfig(**values, length=80, num_samples=3)
    model = made(config)
    texts = {
        name: sample_texts(engine, VOCABULARY, PREFIX, sampling)
        for name, engine in engines(model).items()
    }
    assert texts["numpy"] == texts["torch"]
    assert all(len(text) == 80 for text in texts["numpy"])
    for engine in engines(model).values():
        stream = stream_text(engine, VOCABULARY, PREFIX, sampling)
        assert "".join(stream) == texts["numpy"][0]


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("config", SOME)
def test_a_step_leaves_the_state_before_it_untouched(config: ModelConfig, name: str) -> None:
    engine = engines(made(config))[name]
    ids = some_ids(3, 2)
    _, state = engine.step(ids[0], engine.initial_state(2))
    before = arrays(state)
    logits, after = engine.step(ids[1], state)
    for ours, kept in zip(arrays(state), before, strict=True):
        np.testing.assert_array_equal(ours, kept)
    assert any((a != b).any() for a, b in zip(arrays(after), before, strict=True))
    again, _ = engine.step(ids[1], state)
    np.testing.assert_array_equal(again, logits)
    other, _ = engine.step((ids[1] + 1) % V, state)
    assert np.abs(other - logits).max() > 1e-2


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("config", SOME)
def test_states_begin_at_zero_and_are_not_shared(config: ModelConfig, name: str) -> None:
    engine = engines(made(config))[name]
    first = engine.initial_state(2)
    assert all((each == 0).all() for each in arrays(first))
    engine.step(np.array([3, 4]), first)
    assert all((each == 0).all() for each in arrays(first))
    assert all((each == 0).all() for each in arrays(engine.initial_state(2)))


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("config", SOME)
def test_a_repeated_state_is_that_of_each_text(config: ModelConfig, name: str) -> None:
    engine = engines(made(config))[name]
    state = engine.initial_state(1)
    for each in (4, 2, 7):
        _, state = engine.step(np.array([each]), state)
    one = arrays(state)
    ids = np.array([1, 5, 9, 5])
    together, _ = engine.step(ids, engine.select(state, np.zeros(4, dtype=np.int64)))
    for kept, ours in zip(arrays(state), one, strict=True):
        np.testing.assert_array_equal(kept, ours)
    assert together.shape == (4, V)
    for text, each in enumerate(ids):
        alone, _ = engine.step(np.array([each]), state)
        np.testing.assert_allclose(together[text], alone[0], **alike(4, H + V, 2))
    assert np.abs(together[0] - together[1]).max() > 1e-2


def test_torch_engine_generates_without_dropout() -> None:
    model = LanguageModel(
        ModelConfig(V, "gru", H, 2, dropout=0.5, output_dropout=0.5, weight_drop=0.5)
    )
    model.initialize("uniform", 0)
    model.train()
    engine = TorchEngine(model)
    logits = [engine.step(np.array([3]), engine.initial_state(1))[0] for _ in range(5)]
    assert all((each == logits[0]).all() for each in logits)
    numpy_logits, _ = numpy_engine(model).step(np.array([3]), numpy_engine(model).initial_state(1))
    np.testing.assert_allclose(logits[0], numpy_logits, **alike(1, H + V, 2))


def test_an_unknown_cell_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no cell called 'grue'.*Did you mean 'gru'\?"):
        cpu_engine(ModelConfig(V, "grue", H), {})


WITHOUT_TORCH = f"""
import sys
import numpy as np
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.numpy_engine import NumpyEngine
from charlm.generation.reading import read
from charlm.generation.texts import sample_texts
from charlm.text.vocabulary import Vocabulary

V, H = {V}, {H}
sizes = {{"rnn.weight_ih_l0": (3 * H, V), "rnn.weight_hh_l0": (3 * H, H), "rnn.bias_ih_l0": 3 * H,
         "rnn.bias_hh_l0": 3 * H, "output.weight": (V, H), "output.bias": V}}
weights = {{name: np.random.default_rng(0).normal(size=size) for name, size in sizes.items()}}
engine = NumpyEngine(ModelConfig(V, "gru", H), weights)
vocabulary = Vocabulary("abcdefghij", [1] * 10)
beginning = read(engine, [np.array([1])])
texts = sample_texts(engine, vocabulary, beginning, SamplingConfig(length=20, seed=0))
assert len(texts[0]) == 20
print(*(name for name in ("torch", "typer", "rich", "pooch") if name in sys.modules))
"""


def test_writing_a_text_imports_neither_torch_nor_the_command_line() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout.strip()) == (0, ""), finished.stderr
