"""Exact scoring against a loop that predicts one character at a time in float64."""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tolerances import alike

from charlm.config import ModelConfig
from charlm.language_model import LanguageModel
from charlm.rnn.backends.choice import BACKENDS, available_backends
from charlm.rnn.cells import CELLS
from charlm.scoring import exact as evaluation
from charlm.scoring.exact import score, surprise

V = 6
# Every cell with every backend that has it.
PAIRS = [(c, b) for c in CELLS for b in BACKENDS if BACKENDS[b].supports(CELLS[c]())]


def make_model(cell: str = "gru", backend: str = "auto", **settings: object) -> LanguageModel:
    values = {"vocabulary_size": V, "hidden_size": 5, "num_layers": 2, **settings}
    model = LanguageModel(ModelConfig(cell=cell, **values), backend)  # type: ignore[arg-type]
    model.initialize("uniform", 3)
    for weight in model.parameters():
        weight.data.mul_(3)  # so that characters differ in their probability
    return model


def some_ids(length: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(length).integers(V, size=length).astype(np.uint8)


def character_by_character(
    model: LanguageModel, ids: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """-ln p of each character after the first, one at a time, in float64."""
    config = model.config
    exact = LanguageModel(config, "scratch").double().eval()
    exact.load_weights({name: weight.double() for name, weight in model.weights().items()})
    state = exact.initial_state(1)
    surprises = []
    for here, following in itertools.pairwise(ids):
        with torch.no_grad():
            logits, state = exact(torch.tensor([[int(here)]]), state)
        p = np.exp(logits[0, 0].numpy())
        surprises.append(-np.log(p[following] / p.sum()))
    return np.array(surprises)


@pytest.mark.parametrize(("cell", "backend"), PAIRS)
def test_every_character_after_the_first_is_scored_once_with_the_state_carried(
    cell: str, backend: str
) -> None:
    model, ids = make_model(cell, backend), some_ids(53)
    got, wanted = surprise(model, ids), character_by_character(model, ids)
    assert got is not None
    assert got.shape == (52,)
    assert got.dtype == np.float64
    near = alike(53, V + 5, 2)
    np.testing.assert_allclose(got, wanted, **near)
    assert wanted.std() > 0.1  # the characters differ, so that a mix-up would show
    total = score(model, ids)
    assert total is not None
    assert total.characters == 52
    assert total.nats == pytest.approx(wanted.sum(), rel=near["rtol"])
    assert total.nats == float(got.sum())


def test_a_float64_model_is_scored_in_float64() -> None:
    model, ids = make_model().double(), some_ids(53)
    wanted = character_by_character(model, ids)
    np.testing.assert_allclose(surprise(model, ids), wanted, rtol=1e-12, atol=1e-12)


def test_the_textbook_gru_is_scored_too() -> None:
    model, ids = make_model("gru", reset_after=False), some_ids(20)
    np.testing.assert_allclose(
        surprise(model, ids), character_by_character(model, ids), **alike(20, V + 5, 2)
    )


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 10, 15, 16, 17, 18, 25])
@pytest.mark.parametrize("backend", available_backends(ModelConfig(), "cpu"))
def test_chunks_have_no_borders(backend: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = make_model("lstm", backend).double(), some_ids(length)
    whole = surprise(model, ids)
    monkeypatch.setattr(evaluation, "CHUNK", 8)
    np.testing.assert_allclose(surprise(model, ids), whole, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(evaluation, "CHUNK", 1)
    np.testing.assert_allclose(surprise(model, ids), whole, rtol=1e-12, atol=1e-12)
    assert whole is not None
    assert len(whole) == length - 1


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_without_a_second_character_costs_nothing(length: int) -> None:
    got, total = surprise(make_model(), some_ids(length)), score(make_model(), some_ids(length))
    assert got is not None
    assert got.shape == (0,)
    assert total is not None
    assert (total.nats, total.characters) == (0.0, 0)
    assert np.isnan(total.nats_per_character)


@pytest.mark.parametrize("width", [np.uint8, np.uint16, np.uint32, np.int64])
def test_ids_of_any_width_score_alike(width: type[np.integer]) -> None:
    model, ids = make_model(), some_ids(30)
    np.testing.assert_array_equal(surprise(model, ids.astype(width)), surprise(model, ids))


@pytest.mark.parametrize("training", [True, False])
def test_scoring_drops_nothing_and_leaves_no_trace(training: bool) -> None:
    dropping = make_model(dropout=0.5, output_dropout=0.5, weight_drop=0.5).train(training)
    weights = {name: weight.clone() for name, weight in dropping.weights().items()}
    wanted = surprise(make_model(), some_ids(30))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    np.testing.assert_array_equal(surprise(dropping, some_ids(30)), wanted)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training is training for module in dropping.modules())
    for name, weight in dropping.named_parameters():
        assert torch.equal(weight, weights[name])
        assert weight.grad is None
    assert torch.is_grad_enabled()


def stops_after(calls: int) -> Callable[[], bool]:
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_should_stop_ends_it_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CHUNK", 10)
    model = make_model().train()
    ids = some_ids(35)  # four chunks
    for calls in range(4):
        assert score(model, ids, stops_after(calls)) is None
        assert model.training
    assert score(model, ids, stops_after(4)) == score(model, ids)


def test_a_crash_restores_the_training_flag() -> None:
    model = make_model().train()
    with pytest.raises((IndexError, RuntimeError)):
        surprise(model, np.array([1, V + 3, 2], dtype=np.uint8))
    assert model.training
