"""Temperature and n-gram share against their definition, character by character."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from test_baselines import witten_bell

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.scoring import calibration
from charlm.scoring import exact as evaluation
from charlm.scoring.adjusted import Choice
from charlm.scoring.calibration import (
    TEMPERATURES,
    WEIGHTS,
    choose,
    cross_fit,
    nats_by_choice,
    score_with,
)
from charlm.scoring.exact import log_probabilities, surprise

V = 5


def make_model() -> LanguageModel:
    model = LanguageModel(ModelConfig(vocabulary_size=V, hidden_size=6))
    model.initialize("uniform", 3)
    for weight in model.parameters():
        weight.data.mul_(3)
    return model.double()


def some_ids(length: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    drawn = np.random.default_rng(seed).integers(V, size=length)
    return np.where(np.arange(length) % 4, np.arange(length) % 3, drawn).astype(np.uint8)


def logits(model: LanguageModel, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        read = torch.from_numpy(ids.astype(np.int64))[:-1, None]
        return np.asarray(model(read, model.initial_state(1))[0][:, 0])


def nats(
    model: LanguageModel,
    ids: npt.NDArray[np.uint8],
    train: npt.NDArray[np.uint8],
    tau: float,
    w: float,
) -> list[float]:
    """-ln of (1 - w) softmax(z / τ)_c + w p_6-gram(c), one character at a time."""
    text, found = ids.tolist(), []
    for i, z in enumerate(logits(model, ids), 1):
        p = np.exp(z / tau) / np.exp(z / tau).sum()
        other = witten_bell(train.tolist(), tuple(text[max(i - 5, 0) : i]), text[i], V)
        found.append(-math.log((1 - w) * p[text[i]] + w * other))
    return found


@pytest.mark.parametrize("choice", [Choice(), Choice(0.5, 0.25), Choice(1.7, 0.04), Choice(1, 1)])
def test_the_mixture_is_its_equation(choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids, train = make_model(), some_ids(40), some_ids(90, 1)
    wanted = sum(nats(model, ids, train, choice.temperature, choice.ngram_weight))
    for chunk in (1024, 7):
        monkeypatch.setattr(evaluation, "CHUNK", chunk)
        got = score_with(model, ids, train, choice)
        assert (got.order, got.choice, got.halves) == (6, choice, ())
        assert got.nats == pytest.approx(wanted, rel=1e-12)


def test_without_temperature_and_ngram_it_is_the_static_score() -> None:
    model, ids = make_model().float(), some_ids(3000)
    static = surprise(model, ids)
    assert static is not None
    got = score_with(model, ids, some_ids(90, 1), Choice())
    assert got.nats == pytest.approx(static.sum(), rel=1e-6)


def test_the_choice_is_the_best_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CHUNK", 16)
    model, val, train = make_model(), some_ids(60), some_ids(90, 1)
    choice = choose(model, val, train)
    least = score_with(model, val, train, choice).nats
    for tau in TEMPERATURES[::8]:
        for w in WEIGHTS[::8]:
            other = score_with(model, val, train, Choice(float(tau), float(w)))
            assert least <= other.nats + 1e-9


@pytest.mark.parametrize("length", [3, 4, 41, 60])
def test_each_half_is_scored_by_what_is_best_on_the_other(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "CHUNK", 16)
    monkeypatch.setattr(calibration, "TEMPERATURES", np.array([0.5, 1.0, 2.0]))
    monkeypatch.setattr(calibration, "WEIGHTS", np.array([0.0, 0.3, 1.0]))
    model, ids, train = make_model(), some_ids(length), some_ids(90, 1)
    grid = {
        Choice(tau, w): nats(model, ids, train, tau, w)
        for tau in (0.5, 1.0, 2.0)
        for w in (0.0, 0.3, 1.0)
    }
    cut = (length - 1) // 2
    first, second = (
        {c: sum(n[s]) for c, n in grid.items()} for s in (slice(cut), slice(cut, None))
    )
    on_first, on_second = (min(half, key=lambda c: half[c]) for half in (first, second))
    got = cross_fit(model, ids, train)
    assert got.halves == (on_second, on_first)
    assert got.nats == pytest.approx(first[on_second] + second[on_first], rel=1e-12)
    assert got.choice == min(grid, key=lambda c: sum(grid[c]))


def test_two_characters_have_no_two_halves() -> None:
    with pytest.raises(UsageError, match="too short to be halved"):
        cross_fit(make_model(), some_ids(2), some_ids(90))


def test_one_choice_is_no_change_and_neighbours_are_near() -> None:
    assert 1.0 in TEMPERATURES
    assert (WEIGHTS[0], WEIGHTS[-1]) == (0.0, 1.0)
    assert (np.diff(TEMPERATURES) > 0).all()
    assert (np.diff(WEIGHTS) > 0).all()
    assert (TEMPERATURES[1:] / TEMPERATURES[:-1]).max() < 1.03


def test_costs_are_split_where_asked_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = make_model(), some_ids(33)
    ngram = np.full(33, 0.2)
    one = np.array([1.0]), np.array([0.0])
    each = surprise(model, ids)
    assert each is not None
    for chunk in (5, 16, 1024):
        monkeypatch.setattr(evaluation, "CHUNK", chunk)
        for cut in (0, 1, 5, 16, 31, 32):
            got = nats_by_choice(log_probabilities(model, ids), ids, ngram, *one, cut=cut)
            np.testing.assert_allclose(got.ravel(), [each[:cut].sum(), each[cut:].sum()])
