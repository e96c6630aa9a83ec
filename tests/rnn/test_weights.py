"""Which weights a model has, as its configuration alone tells."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from charlm.config import ModelConfig
from charlm.errors import RunError, UsageError
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS
from charlm.rnn.weights import GATES, check_shapes, model_shapes, to_finite_float32

INPUTS = (
    {},
    {"embedding_size": 5},
    {"embedding_size": 6, "tie_weights": True},
    {"embedding_size": 4, "tie_weights": True},
)
CONFIGS = [
    ModelConfig(7, cell, 6, layers, layer_norm=layer_norm, mogrifier_rank=3, **inputs)
    for cell, layers, layer_norm, inputs in product(CELLS, (1, 3), (True, False), INPUTS)
] + [
    ModelConfig(7, "gru", 6, reset_after=False),
    *(ModelConfig(7, "mogrifier", 6, mogrifier_rounds=rounds) for rounds in (0, 1, 2)),
]


def checked(config: ModelConfig, weights: dict[str, Any]) -> dict[str, Any]:
    """What a run makes of the weights that it finds."""
    check_shapes(model_shapes(config), {name: each.shape for name, each in weights.items()})
    return to_finite_float32(weights)


def made(config: ModelConfig) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        name: random.normal(size=shape).astype(np.float32) for name, shape in model_shapes(config)
    }


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_names_and_shapes_are_those_of_the_model(config: ModelConfig) -> None:
    model = LanguageModel(config, "scratch")
    wanted = {name: tuple(each.shape) for name, each in model.weights().items()}
    assert dict(model_shapes(config)) == wanted


def test_every_cell_has_its_gates() -> None:
    assert GATES.keys() == CELLS.keys()


def test_an_unknown_cell_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'gru'"):
        list(model_shapes(ModelConfig(7, "grue")))


@pytest.mark.parametrize("setting", ["num_layers", "mogrifier_rounds", "hidden_size"])
def test_what_cannot_be_is_refused_before_anything_is_made_of_it(setting: str) -> None:
    config = ModelConfig(7, "mogrifier", 6, mogrifier_rank=3)
    absurd = ModelConfig(**{**config.to_json(), setting: 10**30})
    with pytest.raises(RunError, match="not this model's"):
        checked(absurd, made(config))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_numbers_of_any_width_become_float32(dtype: type) -> None:
    config = ModelConfig(7, "lstm", 6)
    weights = {name: each.astype(dtype) for name, each in made(config).items()}
    for name, each in checked(config, weights).items():
        assert each.dtype == np.float32
        np.testing.assert_array_equal(each, weights[name].astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_whole_numbers_are_no_weights(dtype: type) -> None:
    config = ModelConfig(7, "lstm", 6)
    for name, each in made(config).items():
        with pytest.raises(RunError, match=name):
            checked(config, {**made(config), name: each.astype(dtype)})


@pytest.mark.parametrize("number", [np.nan, -np.nan, np.inf, -np.inf, 1e39, -1e300])
@pytest.mark.parametrize("config", CONFIGS[:8], ids=str)
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(
    config: ModelConfig, number: float
) -> None:
    for name, each in made(config).items():
        for place in (0, -1):
            wrong = each.astype(np.float64)
            wrong.flat[place] = number
            with pytest.raises(RunError, match=f"{name} holds NaN or infinity"):
                checked(config, {**made(config), name: wrong})


def test_a_weight_that_is_missing_or_too_many_or_of_another_shape_is_named() -> None:
    config = ModelConfig(7, "gru", 6, 2, 5)
    weights = made(config)
    for name, each in weights.items():
        others = {other: value for other, value in weights.items() if other != name}
        with pytest.raises(RunError, match=f"{name} is missing"):
            checked(config, others)
        with pytest.raises(RunError, match=f"{name} is missing"):
            checked(config, {**others, f"x{name}": each})
        for shape in ((1,), (*each.shape, 1), each.shape[::-1] if each.ndim > 1 else (0,)):
            with pytest.raises(RunError, match=name):
                checked(config, {**weights, name: np.zeros(shape, np.float32)})
    with pytest.raises(RunError, match="it has no more"):
        checked(config, {**weights, "more": np.zeros(3, np.float32)})
