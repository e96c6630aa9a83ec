"""Optimizers and learning-rate schedules, against values worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import rounding
from torch import nn

from charlm.config import ModelConfig, TextTrainConfig
from charlm.errors import RunError
from charlm.language_model import LanguageModel
from charlm.training.optimization import Optimizer, scheduled_rate

# Of four steps, each some ten operations in float32.
NEAR = rounding(torch.float32, 4 * 10)


def config(**values: object) -> TextTrainConfig:
    return TextTrainConfig(**{"max_steps": 10, **values})  # type: ignore[arg-type]


# Schedules


def test_constant_is_constant() -> None:
    for progress in (0.0, 0.3, 1.0):
        assert scheduled_rate(config(learning_rate=0.5), 7, progress) == 0.5


def test_warm_up_is_linear_and_ends_at_the_full_rate() -> None:
    with_warm_up = config(learning_rate=1.0, warmup_steps=4)
    rates = [scheduled_rate(with_warm_up, step, 0.0) for step in range(7)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0], rel=1e-12)


def test_cosine_ends_at_a_hundredth() -> None:
    cosine = config(learning_rate=2.0, schedule="cosine")
    assert scheduled_rate(cosine, 0, 0.0) == pytest.approx(2.0, rel=1e-12)
    assert scheduled_rate(cosine, 5, 0.5) == pytest.approx(2.0 * (0.01 + 0.99 / 2), rel=1e-12)
    quarter = 0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2
    assert scheduled_rate(cosine, 5, 0.25) == pytest.approx(2.0 * quarter, rel=1e-12)
    assert scheduled_rate(cosine, 9, 1.0) == pytest.approx(0.02, rel=1e-12)
    # A step that begins just before the time is up ends after it.
    assert scheduled_rate(cosine, 9, 1.7) == pytest.approx(0.02, rel=1e-12)


def test_warm_up_and_cosine_multiply() -> None:
    both = config(learning_rate=2.0, schedule="cosine", warmup_steps=9)
    half = 0.01 + 0.99 / 2
    assert scheduled_rate(both, 4, 0.5) == pytest.approx(2.0 * half * 0.5, rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 200),
    st.floats(0, 1.5),
    st.integers(0, 50),
    st.sampled_from(["constant", "cosine"]),
)
def test_a_rate_is_positive_and_never_above_the_highest(
    step: int, progress: float, warmup_steps: int, schedule: str
) -> None:
    chosen = config(learning_rate=0.3, warmup_steps=warmup_steps, schedule=schedule)
    rate = scheduled_rate(chosen, step, progress)
    assert 0.01 * 0.3 / (warmup_steps + 1) * 0.999 <= rate <= 0.3 * (1 + 1e-12)


# Optimizers


def torchs(name: str, model: nn.Module, momentum: float) -> torch.optim.Optimizer:
    """Torch's own class, with matrices alone decaying."""
    weights = list(model.parameters())
    groups = [
        {"params": [each for each in weights if each.dim() > 1], "weight_decay": 0.1},
        {"params": [each for each in weights if each.dim() <= 1], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(groups, momentum=momentum)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(groups, betas=(0.9, 0.99 if kind is torch.optim.AdamW else 0.999))


@pytest.mark.parametrize(
    ("name", "momentum"), [("sgd", 0.0), ("sgd", 0.7), ("adam", 0.0), ("adamw", 0.0)]
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_steps_are_those_of_torchs_class(name: str, momentum: float, as_tensor: bool) -> None:
    sizes = ModelConfig(embedding_size=4, tie_weights=True, num_layers=2, hidden_size=5)
    models = [LanguageModel(sizes), LanguageModel(sizes)]
    for model in models:
        model.initialize("uniform", 0)
    mine = Optimizer(models[0], config(optimizer=name, momentum=momentum, weight_decay=0.1))
    theirs = torchs(name, models[1], momentum)
    random = torch.Generator().manual_seed(0)
    for rate in (0.1, 0.05, 0.2, 0.01):
        for pair in zip(models[0].parameters(), models[1].parameters(), strict=True):
            gradient = torch.randn(pair[0].shape, generator=random)
            for weight in pair:
                weight.grad = gradient.clone()
        mine.step(torch.tensor(rate) if as_tensor else rate)
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
    for got, wanted in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_every_weight_is_trained_once(name: str) -> None:
    model = LanguageModel(ModelConfig(embedding_size=4, tie_weights=True, num_layers=2))
    optimizer = Optimizer(model, config(optimizer=name, weight_decay=0.1))
    trained = [id(each) for group in optimizer.groups for each in group.weights]
    assert len(trained) == len(set(trained))
    assert set(trained) == {id(each) for each in model.parameters()}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_state_is_put_back_where_it_was(name: str) -> None:
    model, rate = nn.Linear(2, 3), 0.1
    optimizer = Optimizer(model, config(optimizer=name, momentum=0.5))
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step(rate)
    kept = {key: each.clone() for key, each in optimizer.tensors()}
    places = {key: each.data_ptr() for key, each in optimizer.tensors()}
    assert kept
    optimizer.step(rate)
    assert any(not torch.equal(each, kept[key]) for key, each in optimizer.tensors())
    optimizer.restore(kept)
    for key, each in optimizer.tensors():
        assert torch.equal(each, kept[key])
        assert each.data_ptr() == places[key]
    for wrong in (dict(list(kept.items())[1:]), kept | {"exp_avg/nowhere": torch.zeros(1)}):
        with pytest.raises(RunError, match="differ in"):
            optimizer.restore(wrong)


def after_one_step(name: str, rate: float, **values: float) -> tuple[float, float]:
    """A matrix entry of 2 and a bias of 3, each with gradient 0.5, after a step."""
    model = nn.Linear(1, 1)
    model.weight.data.fill_(2.0)
    model.bias.data.fill_(3.0)
    optimizer = Optimizer(model, config(optimizer=name, **values))
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, 0.5)
    optimizer.step(rate)
    return model.weight.item(), model.bias.item()


def test_a_step_of_each_is_the_one_of_the_textbook() -> None:
    # sgd: w - r (g + d w), the bias without decay.
    assert after_one_step("sgd", 0.1, weight_decay=0.2) == pytest.approx(
        (2 - 0.1 * (0.5 + 0.2 * 2), 3 - 0.1 * 0.5), rel=NEAR
    )
    # Adam's first step has length r whatever the gradient's size; AdamW also shrinks the matrix.
    assert after_one_step("adam", 0.1) == pytest.approx((1.9, 2.9), rel=NEAR)
    assert after_one_step("adamw", 0.1, weight_decay=0.2) == pytest.approx(
        (2 * (1 - 0.1 * 0.2) - 0.1, 2.9), rel=NEAR
    )


def test_momentum_adds_up() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    optimizer = Optimizer(model, config(optimizer="sgd", momentum=0.5))
    for gradient in (1.0, 2.0):
        model.weight.grad = torch.full_like(model.weight, gradient)
        optimizer.step(0.1)
    assert model.weight.item() == pytest.approx(2 - 0.1 * 1.0 - 0.1 * (0.5 * 1.0 + 2.0), rel=NEAR)
